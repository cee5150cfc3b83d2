"""API tokens: what a program may do with one, and that it is worth nothing beyond that."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from shared.contracts.times import rfc3339
from tests.e2e.conftest import Browser
from tests.e2e.mailbox import verify_address
from tests.making import eventually


def token_request(*scopes: str, **changes):
    expires_at = rfc3339(datetime.now(UTC) + timedelta(days=30))
    return {"label": "Newsletter export", "scopes": list(scopes), "expires_at": expires_at} | changes


@pytest.fixture
def influencer(influencer: Browser) -> Browser:
    """Somebody who may issue tokens, which takes a fresh proof of who they are."""
    influencer.step_up()
    return influencer


def program(base_url: str, token: str) -> Browser:
    made = Browser(base_url)
    made.http.headers["Authorization"] = f"Bearer {token}"
    return made


def test_a_token_does_what_its_scopes_say_and_nothing_else(influencer):
    issued = influencer.done("POST", "/me/tokens", token_request("consents:read"))
    assert issued["token"].startswith("okat_")
    export = program(influencer.base_url, issued["token"])
    assert len(export.get("/me/consents")["items"]) > 0
    for method, path, body in (
        ("GET", "/me", None),
        ("PATCH", "/me", {"name": "Mallory"}),
        ("PUT", "/me/consents/product_news", None),
        ("GET", "/session", None),
        ("DELETE", "/session", None),
        ("GET", "/me/sessions", None),
        ("DELETE", "/me/sessions", None),
        ("POST", "/me/tokens", token_request("profile:write")),
        ("GET", "/me/tokens", None),
    ):
        assert export.problem(403, method, path, body)["code"] == "scope-missing", path
    assert influencer.get("/me")["name"] == "Ada Lovelace"


def test_a_token_has_the_guard_of_the_session_it_was_issued_in(influencer, officer):
    issued = influencer.done("POST", "/me/tokens", token_request("audit:read"))
    assert program(influencer.base_url, issued["token"]).problem(403, "GET", "/audit/records")["code"] == "wrong-guard"
    officer.step_up()
    issued = officer.done("POST", "/me/tokens", token_request("audit:read"))
    reader = program(officer.base_url, issued["token"])
    assert reader.get("/audit/records", limit=1)["items"]
    assert reader.problem(403, "GET", "/security/signals")["code"] == "scope-missing"
    officer.done("DELETE", f"/me/tokens/{issued['token_id']}")


def test_a_token_is_told_again_to_the_same_request_and_never_afterwards(influencer):
    headers, body = {"Idempotency-Key": str(uuid.uuid4())}, token_request("profile:read")
    first = influencer.done("POST", "/me/tokens", body, headers=headers)
    assert influencer.done("POST", "/me/tokens", body, headers=headers) == first
    (listed,) = influencer.get("/me/tokens")["items"]
    assert listed == {name: first[name] for name in listed}
    assert "token" not in listed


def test_a_revoked_token_is_refused(influencer):
    issued = influencer.done("POST", "/me/tokens", token_request("profile:read"))
    reader = program(influencer.base_url, issued["token"])
    assert reader.get("/me")["account_id"] == influencer.account_id
    influencer.done("DELETE", f"/me/tokens/{issued['token_id']}")
    eventually(lambda: reader.request("GET", "/me").status_code == 401)
    assert influencer.get("/me/tokens")["items"] == []


def test_a_token_of_somebody_else_is_no_token_byte_for_byte(influencer, platform):
    other = Browser(platform.base_url)
    other.register()
    other.sign_in()
    verify_address(platform, other)
    other.step_up()
    theirs = other.done("POST", "/me/tokens", token_request("profile:read"))
    answers = [
        influencer.request("DELETE", f"/me/tokens/{id}", headers={"X-Request-Id": "the-same"})
        for id in (theirs["token_id"], uuid.uuid4(), other.get("/session")["session_id"])
    ]
    assert [answer.status_code for answer in answers] == [404] * 3
    assert len({answer.content for answer in answers}) == 1
    assert program(other.base_url, theirs["token"]).get("/me")["account_id"] == other.account_id


@pytest.mark.parametrize("days", [-1, 366])
def test_a_token_lasts_a_year_at_most(influencer, days):
    expires_at = rfc3339(datetime.now(UTC) + timedelta(days=days))
    problem = influencer.problem(422, "POST", "/me/tokens", token_request("profile:read", expires_at=expires_at))
    assert problem["code"] == "token-expiry-refused"


@pytest.mark.parametrize("scopes", [(), ("everything",), ("profile:read", 7)])
def test_a_scope_that_does_not_exist_is_refused(influencer, scopes):
    problem = influencer.problem(422, "POST", "/me/tokens", token_request(*scopes))
    assert problem["code"] == "validation-failed"


def test_a_person_has_so_many_tokens_and_no_more(influencer):
    for _ in range(25):
        influencer.done("POST", "/me/tokens", token_request("profile:read"))
    problem = influencer.problem(409, "POST", "/me/tokens", token_request("profile:read"))
    assert problem["code"] == "too-many-tokens"
