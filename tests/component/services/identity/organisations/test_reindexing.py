"""Blind indexes of an earlier form of addresses: made anew once, and decisive for nobody with an ordinary address."""

from __future__ import annotations

import threading
import unicodedata

import pytest
from sqlalchemy import text

from services.identity.accounts.aggregate import Account
from services.identity.organisations.reindexing import Reindexer
from tests.component.services.identity.conftest import SECRET
from tests.making import command, email, registration


def old_index(address):
    """As it was made before there was one form of addresses."""
    former = unicodedata.normalize("NFKC", address).strip().casefold()
    return SECRET.keyed_hash("blind-index:email", former.encode())


@pytest.fixture
def before(ask):
    """Registers an account as it was done then; its id."""

    def register(address):
        def register(work):
            account = Account(work.new_id())
            work.record(account, account.register("influencer", registration(email=address), now=work.now))
            work.connection.execute(
                text("INSERT INTO email_index (email_index, account_id, address_form) VALUES (:index, :id, 1)"),
                {"index": old_index(address), "id": account.id},
            )
            return {"account_id": str(account.id)}

        return ask.app.store.perform(command(), register)["account_id"]

    return register


@pytest.fixture
def reindex(ask):
    return Reindexer(ask.app.store, SECRET, threading.Event()).reindex


def found(ask, address):
    rows = ask.rows("SELECT account_id FROM email_index WHERE email_index = :i", i=SECRET.mailbox_index(address))
    return [str(row.account_id) for row in rows]


def test_an_ordinary_address_is_found_before_and_after(ask, before, reindex):
    address = email().upper()
    account = before(address)
    assert found(ask, address) == [account]
    reindex()
    assert found(ask, address.lower()) == [account]
    assert ask.rows("SELECT FROM email_index WHERE address_form = 1") == []


@pytest.mark.parametrize("address", ["anna@MÜNCHEN.example", '"anna"@münchen.example', "anna@xn--mnchen-3ya.example"])
def test_a_domain_in_its_own_letters_is_found_in_either_form(ask, before, reindex, address):
    account = before(address)
    reindex()
    assert found(ask, "anna@münchen.example") == [account]


def test_an_address_makes_room_for_that_of_another_domain(ask, before, reindex):
    account = before("anna@faß.example")
    ask.registered(email="anna@fass.example")
    assert found(ask, "anna@fass.example") == [account]
    reindex()
    ask.registered(email="anna@fass.example")
    assert found(ask, "anna@fass.example") not in ([], [account])
    assert found(ask, "anna@faß.example") == [account]


def test_who_has_no_mailbox_makes_room_for_who_has(ask, before, reindex):
    before("\uff41nna@example.org")
    reindex()
    ask.registered(email="anna@example.org")


def test_of_two_accounts_of_one_mailbox_the_one_that_is_found_by_it_keeps_it(ask, before, reindex):
    other, found_by_it = before("anna@münchen.example"), before("anna@xn--mnchen-3ya.example")
    reindex()
    assert found(ask, "anna@münchen.example") == [found_by_it]
    assert ask.rows("SELECT FROM email_index WHERE account_id = :id", id=other) == []


def test_an_invitation_of_then_is_found_when_its_person_is_erased(ask, reindex):
    owner = ask.person()
    workspace = ask("found_organisation", owner.actor, name="Studio Lovelace")["organisation_id"]
    invited = ask("invite_member", owner.actor, organisation_id=workspace, email="anna@münchen.example", role="viewer")
    with ask.app.store.engine.begin() as connection:
        connection.execute(
            text("UPDATE invitees SET recipient = :index, address_form = 1"),
            {"index": old_index("anna@münchen.example")},
        )
    anna = ask.person(email="anna@xn--mnchen-3ya.example")
    assert ask.operator("find_account", account_id=anna.actor.id)["invitee_ids"] == []
    reindex()
    (invitee,) = ask.operator("find_account", account_id=anna.actor.id)["invitee_ids"]
    rows = ask.rows("SELECT invitation_id FROM invitees WHERE invitee_id = :id", id=invitee)
    assert [str(row.invitation_id) for row in rows] == [invited["invitation_id"]]
