"""Organisations through the service: who is invited and comes in, who decides, and what is left of whom."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.identity.links import INVITATION, VERIFICATION, link_token
from tests.component.services.identity.conftest import SECRET, refusal


@pytest.fixture(autouse=True)
def one_clock(monkeypatch, clock):
    """What is read is judged by the clock by which it was written."""
    monkeypatch.setattr("services.identity.service.invitations.now", clock)


@pytest.fixture
def verified(ask):
    """Makes somebody with a verified address who is signed in."""

    def make(guard="influencer", **changes):
        person = ask.person(**changes)
        ask("verify_email", token=ask.link(VERIFICATION, ask.account(person).verification))
        if guard == "client":
            ask("add_own_guard", person.actor, guard="client")
            person = ask.signed_in(person.email, guard="client")
        return person

    return make


@pytest.fixture
def owner(verified):
    return verified()


@pytest.fixture
def workspace(ask, owner):
    return ask("found_organisation", owner.actor, name="Studio Lovelace")["organisation_id"]


def invite(ask, by, organisation_id, address, role="manager", **more):
    """The token of an invitation, as the mail to whoever was invited holds it."""
    made = ask("invite_member", by.actor, organisation_id=organisation_id, email=address, role=role, **more)
    return link_token(SECRET, INVITATION, UUID(made["invitation_id"]))


def join(ask, by, organisation_id, person, role="manager"):
    ask("accept_invitation", person.actor, token=invite(ask, by, organisation_id, person.email, role))
    return person


def members(ask, asker, organisation_id):
    found = ask("list_members", asker.actor, organisation_id=organisation_id, cursor=None, limit=50)
    return {member["account_id"]: member["role"] for member in found["items"]}


def test_whoever_founds_a_workspace_owns_it(ask, owner, workspace):
    (listed,) = ask("list_organisations", owner.actor, cursor=None, limit=50)["items"]
    assert listed == ask("read_organisation", owner.actor, organisation_id=workspace)
    assert (listed["name"], listed["role"], listed["kind"]) == ("Studio Lovelace", "owner", "workspace")


def test_an_invited_person_joins_once(ask, verified, owner, workspace):
    person = verified()
    token = invite(ask, owner, workspace, person.email, "viewer")
    assert ask("read_invitation", token=token) == ask("read_invitation", token=token)
    ask("accept_invitation", person.actor, token=token)
    assert members(ask, person, workspace) == {owner.actor.id: "owner", person.actor.id: "viewer"}
    assert refusal(lambda: ask("accept_invitation", person.actor, token=token)) == "link-invalid"
    assert refusal(lambda: ask("read_invitation", token=token)) == "link-invalid"
