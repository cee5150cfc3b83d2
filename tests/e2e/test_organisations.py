"""Organisations over HTTP: teams and clients that come together by mail, and outsiders who learn and change nothing."""

from __future__ import annotations

import uuid

import pytest

from tests.e2e.conftest import Browser
from tests.e2e.mailbox import INVITED, token_sent_to, verify_address_of_newcomer
from tests.e2e.test_sessions import noticed
from tests.making import PASSWORD, eventually


@pytest.fixture(scope="module")
def verified(platform):
    """Makes somebody with a verified address, signed in under a guard."""

    def make(guard="influencer", **changes):
        person = Browser(platform.base_url)
        person.register(**changes)
        verify_address_of_newcomer(platform, person)
        if guard == "client":
            person.done("POST", "/me/guards", {"guard": "client"}, headers=person.bearer("influencer"))
        person.sign_in(guard)
        return person

    return make


@pytest.fixture(scope="module")
def owner(verified):
    return verified()


@pytest.fixture(scope="module")
def workspace(owner):
    return owner.done("POST", "/workspaces", {"name": "Studio Lovelace"})["organisation_id"]


def invite(platform, by, path, address, **body):
    by.done("POST", path, {"email": address, **body})
    return token_sent_to(platform, address, INVITED)


def step_up(person):
    person.http.headers["X-CSRF-Token"] = person.done("POST", "/session/step-up", {"password": PASSWORD})["csrf_token"]


def roles(person, workspace):
    return {each["account_id"]: each["role"] for each in person.get(f"/workspaces/{workspace}/members")["items"]}


def test_somebody_without_an_account_is_invited_registers_and_becomes_the_owner(platform, officer, verified, owner):
    workspace = owner.done("POST", "/workspaces", {"name": "Two of us"})["organisation_id"]
    address = f"invited-{uuid.uuid4().hex[:8]}@example.com"
    token = invite(platform, owner, f"/workspaces/{workspace}/invitations", address, role="manager")

    anybody = Browser(platform.base_url)
    offered = [anybody.get(f"/invitations/{token}") for _ in range(2)]
    assert offered[0] == offered[1]
    assert (offered[0]["name"], offered[0]["role"], offered[0]["actions"]) == ("Two of us", "manager", ["accept"])
    assert anybody.problem(401, "POST", f"/invitations/{token}/acceptance", {})["code"] == "not-signed-in"

    invited = verified(email=address)
    entered = invited.done("POST", f"/invitations/{token}/acceptance", {})
    assert entered["organisation_id"] == workspace
    assert invited.problem(410, "POST", f"/invitations/{token}/acceptance", {})["code"] == "link-invalid"
    assert roles(owner, workspace) == {owner.account_id: "owner", invited.account_id: "manager"}

    transfer = ("POST", f"/workspaces/{workspace}/ownership-transfers", {"member_id": invited.account_id})
    assert owner.problem(403, *transfer)["code"] == "step-up-required"
    step_up(owner)
    owner.done(*transfer)
    assert roles(invited, workspace) == {owner.account_id: "manager", invited.account_id: "owner"}
    assert "leave" not in invited.get(f"/workspaces/{workspace}")["actions"]
    assert invited.problem(409, "DELETE", f"/workspaces/{workspace}/membership")["code"] == "last-owner"
    owner.done("DELETE", f"/workspaces/{workspace}/membership")
    assert owner.problem(404, "GET", f"/workspaces/{workspace}")["code"] == "not-found"

    def records():
        found = officer.get("/audit/records", q=f"subject:{owner.account_id} publisher:identity")["items"]
        ours = [each for each in found if each["workspace"] == workspace]
        return ours if any(each["type"].endswith("member_left") for each in ours) else None

    numbers = [each["workspace_counter"] for each in eventually(records)]
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == len(numbers)


def test_an_outsider_hears_what_an_id_that_does_not_exist_is_answered_with(officer, verified, owner, workspace):
    """Also one who owns another workspace and may do all of this there; only those who watch learn of it."""
    outsider = verified()
    outsider.done("POST", "/workspaces", {"name": "Elsewhere"})
    step_up(outsider)
    attempts = [
        ("GET", "", None),
        ("GET", "/members", None),
        ("GET", "/invitations", None),
        ("GET", "/clients", None),
        ("PATCH", "", {"name": "Mine"}),
        ("DELETE", "", None),
        ("POST", "/invitations", {"email": outsider.email, "role": "manager"}),
        ("POST", "/client-invitations", {"email": outsider.email}),
        ("POST", "/ownership-transfers", {"member_id": outsider.account_id}),
        ("PUT", f"/members/{owner.account_id}/role", {"role": "viewer"}),
        ("DELETE", f"/members/{owner.account_id}", None),
        ("DELETE", "/membership", None),
    ]
    same = {"X-Request-Id": "one-and-the-same"}
    for method, path, body in attempts:
        foreign, unknown = (
            outsider.request(method, f"/workspaces/{id}{path}", body, headers=same) for id in (workspace, uuid.uuid4())
        )
        assert foreign.status_code == unknown.status_code == 404, path
        assert foreign.content == unknown.content

    def refused():
        signals = noticed(officer, "access_refused", outsider.account_id)
        return len(signals) >= len(attempts) and signals

    noted = eventually(refused)
    assert {signal["detail"] for signal in noted} == {"cross_workspace"}
    assert len(noted) == len(attempts), "an id that does not exist is no signal"
    assert roles(owner, workspace) == {owner.account_id: "owner"}


def test_a_client_deals_with_a_workspace_under_one_login(platform, verified, owner, workspace):
    buyer = verified("client")
    acme = buyer.done("POST", "/client-organisations", {"name": "Acme"})["organisation_id"]
    token = invite(platform, owner, f"/workspaces/{workspace}/client-invitations", buyer.email)
    entered = buyer.done("POST", f"/invitations/{token}/acceptance", {"client_organisation_id": acme})
    assert entered["organisation_id"] == acme
    (dealt_with,) = buyer.get(f"/client-organisations/{acme}/workspaces")["items"]
    assert (dealt_with["organisation_id"], dealt_with["name"]) == (workspace, "Studio Lovelace")
    (client,) = owner.get(f"/workspaces/{workspace}/clients")["items"]
    assert (client["organisation_id"], client["name"], client["actions"]) == (acme, "Acme", ["part_from_client"])
    assert buyer.problem(403, "GET", f"/workspaces/{workspace}")["code"] == "wrong-guard"
    assert buyer.problem(404, "GET", f"/client-organisations/{workspace}")["code"] == "not-found"
    owner.done("DELETE", f"/workspaces/{workspace}/clients/{acme}")
    assert buyer.get(f"/client-organisations/{acme}/workspaces")["items"] == []


def test_the_erasure_of_an_owner_closes_what_they_owned_and_takes_the_invited_address(
    platform, okacrm, verified, owner
):
    leaving = verified()
    workspace = leaving.done("POST", "/workspaces", {"name": "Gone soon"})["organisation_id"]
    token = invite(platform, leaving, f"/workspaces/{workspace}/invitations", owner.email, role="manager")
    elsewhere = owner.done("POST", "/workspaces", {"name": "Goes on"})["organisation_id"]
    theirs = invite(platform, owner, f"/workspaces/{elsewhere}/invitations", leaving.email, role="manager")
    leaving.done("POST", f"/invitations/{theirs}/acceptance", {})
    assert leaving.account_id in roles(owner, elsewhere)

    destroyed = okacrm("keys", "destroy", leaving.account_id, "--yes")
    assert destroyed.returncode == 0, destroyed.stderr
    # Identity, technical, content and communications, and that of the invited address; perhaps that of the mail to it.
    assert int(destroyed.stdout.split()[1]) in (5, 6)
    assert roles(owner, elsewhere) == {owner.account_id: "owner"}
    assert owner.problem(410, "POST", f"/invitations/{token}/acceptance", {})["code"] == "link-invalid"
    assert okacrm("keys", "replay").returncode == 0
