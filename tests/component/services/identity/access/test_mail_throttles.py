"""Mails that somebody asks for: so many to one mailbox, whatever its tag, and so many from one network."""

from __future__ import annotations

import pytest

from services.identity.access.throttles import MAILS_FROM_ONE_NETWORK, MAILS_TO_ONE_MAILBOX
from shared.bus.actors import Client
from tests.component.services.identity.conftest import at_once, refusal
from tests.making import email, registration_body

FREE = MAILS_TO_ONE_MAILBOX.free


def client(address="198.51.100.7"):
    return Client(address, "Firefox on Linux")


def tagged(address, tag):
    local_part, _, domain = address.partition("@")
    return f"{local_part}+{tag}@{domain}"


def asked_for(ask, kind="account_verification_requested"):
    (row,) = ask.rows("SELECT count(*) AS mails FROM events WHERE type = :t", t=f"okacrm.identity.{kind}")
    return row.mails


def register(ask, address, **more):
    return ask("register_account", **registration_body(email=address), **more)


def test_tags_of_one_mailbox_bring_it_no_more_mails(ask):
    address = email()
    answers = [register(ask, tagged(address, number)) for number in range(3 * FREE)]
    assert asked_for(ask) == FREE
    assert len({answer["account_id"] for answer in answers}) == 3 * FREE
    assert len({frozenset(answer) for answer in answers}) == 1


def test_those_who_register_at_once_do_not_overtake_the_count(ask):
    address = email()
    asks = [lambda number=number: register(ask, tagged(address, number)) for number in range(2 * FREE)]
    assert at_once(*asks) == ["done"] * (2 * FREE)
    assert asked_for(ask) == FREE


def test_another_mailbox_is_not_concerned_and_the_wait_ends(ask, clock):
    address = email()
    for number in range(FREE + 1):
        register(ask, tagged(address, number))
    register(ask, email())
    assert asked_for(ask) == FREE + 1
    clock.pass_time(MAILS_TO_ONE_MAILBOX.shortest)
    register(ask, address)
    assert asked_for(ask) == FREE + 2


def test_whoever_got_no_mail_can_ask_for_it_later(ask, clock):
    address = email()
    for number in range(FREE):
        register(ask, tagged(address, number))
    person = ask.unverified(email=address)
    assert ask.account(person).verification is None
    ask("request_email_verification", person.actor)
    assert ask.account(person).verification is None
    clock.pass_time(MAILS_TO_ONE_MAILBOX.shortest)
    ask("request_email_verification", person.actor)
    assert ask.account(person).verification is not None


def test_one_network_sends_so_many_mails_and_another_its_own(ask):
    for _ in range(MAILS_FROM_ONE_NETWORK.free + 3):
        register(ask, email(), client=client())
    assert asked_for(ask) == MAILS_FROM_ONE_NETWORK.free
    register(ask, email(), client=client("203.0.113.7"))
    assert asked_for(ask) == MAILS_FROM_ONE_NETWORK.free + 1


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_machine_itself_is_no_network(ask, address):
    for _ in range(MAILS_FROM_ONE_NETWORK.free + 3):
        register(ask, email(), client=client(address))
    assert asked_for(ask) == MAILS_FROM_ONE_NETWORK.free + 3


def test_a_verified_mailbox_is_reset_whoever_used_its_mails_up(ask):
    address = email()
    person = ask.person(email=address)
    for number in range(2 * FREE):
        register(ask, tagged(address, number))
        ask("request_password_reset", email=tagged(address, number))
    resets = asked_for(ask, "account_password_reset_requested")
    ask("request_password_reset", email=address)
    assert ask.account(person).password_reset is not None
    assert asked_for(ask, "account_password_reset_requested") == resets + 1
    assert asked_for(ask) + resets <= FREE


def test_an_address_to_change_to_is_a_mailbox_like_any_other(ask, clock):
    address = email()
    for number in range(FREE):
        register(ask, tagged(address, number))
    person = ask.person()
    ask.step_up(person)
    change = lambda: ask("request_email_change", person.actor, new_email=tagged(address, "new"))  # noqa: E731
    assert refusal(change) == "asked-too-soon"
    clock.pass_time(MAILS_TO_ONE_MAILBOX.shortest)
    ask.step_up(person)
    change()
