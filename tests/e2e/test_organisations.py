"""Organisations over HTTP: teams and clients that come together by mail, and outsiders who learn and change nothing."""

from __future__ import annotations

import uuid

import pytest

from tests.e2e.conftest import Browser
from tests.e2e.mailbox import INVITED, token_sent_to, verify_address
from tests.making import PASSWORD, eventually


@pytest.fixture(scope="module")
def verified(platform):
    """Makes somebody with a verified address, signed in under a guard."""

    def make(guard="influencer", **changes):
        person = Browser(platform.base_url)
        person.register(**changes)
        verify_address(platform, person)
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
        found = officer.get("/audit/records", subject=owner.account_id)["items"]
        ours = [each for each in found if each["workspace"] == workspace]
        return ours if any(each["type"].endswith("member_left") for each in ours) else None

    numbers = [each["workspace_counter"] for each in eventually(records)]
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == len(numbers)
