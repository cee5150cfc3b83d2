"""What is wrong meets a precise problem, changes nothing, and leaves no value in any log."""

from __future__ import annotations

import uuid

import psycopg
import pytest
import requests

from tests.e2e.conftest import Browser
from tests.making import PASSWORD, email, eventually, registration_body

NEEDLE = f"needle{uuid.uuid4().hex}"


@pytest.fixture
def accounts(platform):
    """How many accounts there are."""

    def count():
        database = platform.databases["identity"]
        with psycopg.connect(platform.database_url(database.name, database.owner)) as connection:
            return connection.execute("SELECT count(*) FROM accounts").fetchone()[0]

    return count


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"email": NEEDLE}, 422, "validation-failed"),
        ({"email": 7}, 422, "validation-failed"),
        ({"name": ""}, 422, "validation-failed"),
        ({"name": ["Ada"]}, 422, "validation-failed"),
        ({"name": "x" * 10_000}, 422, "validation-failed"),
        ({"time_zone": NEEDLE}, 422, "validation-failed"),
        ({"country": NEEDLE}, 422, "validation-failed"),
        ({"favourite_colour": NEEDLE}, 422, "validation-failed"),
        ({"password": NEEDLE[:11]}, 422, "password-too-weak"),
        ({"age_statement": False}, 422, "age-statement-required"),
        ({"age_statement": "yes"}, 422, "validation-failed"),
        ({"accepted_policy_version": "1999-01-01"}, 422, "policy-version-unknown"),
        ({"name": "\ud800"}, 400, "malformed-json"),
    ],
)
def test_a_registration_that_cannot_be_accepted_leaves_no_account(visitor, accounts, changes, status, code):
    before = accounts()
    problem = visitor.problem(status, "POST", "/accounts", registration_body(**changes))
    assert problem["code"] == code
    assert NEEDLE not in str(problem)
    assert accounts() == before


def test_a_missing_value_is_named(visitor):
    body = registration_body()
    del body["email"]
    problem = visitor.problem(422, "POST", "/accounts", body)
    assert [error["pointer"] for error in problem["errors"]] == ["/email"]


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b'{"email": "', {}, 400, "malformed-json"),
        (b"\xff\xfe", {}, 400, "malformed-json"),
        (b"[]", {}, 400, "malformed-json"),
        (b'{"email":"a@b.example","email":"c@d.example"}', {}, 400, "malformed-json"),
        (b"email=x", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported-media-type"),
        (b'{"name":"' + b"x" * 70_000 + b'"}', {}, 413, "body-too-large"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(visitor, content, headers, status, code):
    answer = visitor.request("POST", "/accounts", data=content, headers={"Content-Type": "application/json"} | headers)
    assert (answer.status_code, answer.json()["type"].rsplit("/", 1)[-1]) == (status, code)


def test_an_address_is_given_to_one_account_only(influencer, visitor, accounts):
    before = accounts()
    taken = visitor.done("POST", "/accounts", registration_body(email=f" {influencer.email.upper()} ".strip()))
    assert accounts() == before
    new = visitor.done("POST", "/accounts", registration_body())
    assert accounts() == before + 1
    assert (taken.keys(), taken["version"]) == (new.keys(), new["version"])


@pytest.mark.parametrize("changes", [{"password": PASSWORD + "x"}, {"email": "nobody@example.com"}])
def test_a_wrong_password_and_an_unknown_address_are_refused_alike(influencer, changes):
    body = {"email": influencer.email, "password": PASSWORD, "guard": "influencer"} | changes
    assert influencer.problem(401, "POST", "/sessions", body)["code"] == "sign-in-refused"


def test_a_guard_that_is_not_held_is_refused(influencer, visitor):
    body = {"email": influencer.email, "password": PASSWORD, "guard": "compliance"}
    assert visitor.problem(403, "POST", "/sessions", body)["code"] == "guard-not-held"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/audit/records"),
        ("GET", "/audit/completeness"),
        ("GET", f"/audit/records/{uuid.UUID(int=7)}"),
        ("POST", "/audit/subject-lookups"),
    ],
)
def test_audit_is_for_compliance_only(influencer, visitor, method, path):
    body = {"email": "a@b.example"} if method == "POST" else None
    assert influencer.problem(403, method, path, body)["code"] == "wrong-guard"
    assert visitor.problem(401, method, path, body)["code"] == "not-signed-in"


@pytest.mark.parametrize("token", ["x" * 43, "", "Bearer", "é" * 20])
def test_a_forged_session_is_refused(platform, token):
    answer = requests.get(
        f"{platform.base_url}/v1/me", headers={"Authorization": f"Bearer {token}".encode()}, timeout=10
    )
    assert answer.status_code == 401
    assert answer.json()["type"].endswith("/not-signed-in")
    assert "Bearer" in answer.headers["WWW-Authenticate"]


def test_an_expired_session_is_refused(platform, influencer):
    database = platform.databases["identity"]
    with psycopg.connect(platform.database_url(database.name, database.owner)) as connection:
        connection.execute(
            "UPDATE session_tokens SET expires_at = now() WHERE account_id = %s", [influencer.account_id]
        )
    eventually(lambda: influencer.request("GET", "/me").status_code == 401)


def test_a_session_that_was_ended_elsewhere_is_refused(platform, influencer):
    elsewhere = Browser(platform.base_url)
    elsewhere.http.cookies.update(influencer.http.cookies)
    elsewhere.http.headers.update(influencer.http.headers)
    influencer.get("/me")
    elsewhere.done("DELETE", "/session")
    eventually(lambda: influencer.request("GET", "/me").status_code == 401)


def test_a_change_by_cookie_needs_the_csrf_token_of_this_very_session(influencer):
    stale = influencer.http.headers["X-CSRF-Token"]
    influencer.sign_in()
    for token in (None, "", "forged", stale):
        headers = {"X-CSRF-Token": token}
        problem = influencer.problem(403, "PUT", "/me/consents/product_news", headers=headers)
        assert problem["code"] == "csrf-failed"
    states = {item["purpose"]: item["state"] for item in influencer.get("/me/consents")["items"]}
    assert states["product_news"] == "not_given"
    influencer.http.headers["X-CSRF-Token"] = influencer.get("/session")["csrf_token"]
    influencer.done("PUT", "/me/consents/product_news")


def test_a_bearer_session_needs_no_csrf_token_and_sets_no_cookie(platform):
    browser = Browser(platform.base_url)
    browser.register()
    session = browser.sign_in(transport="bearer")
    assert not browser.http.cookies
    program = requests.Session()
    program.headers["Authorization"] = f"Bearer {session['access_token']}"
    assert program.put(f"{platform.base_url}/v1/me/consents/product_news", timeout=10).status_code == 200


def test_the_cookie_is_out_of_reach_of_scripts_and_the_token_not_in_the_body(platform):
    browser = Browser(platform.base_url)
    browser.register()
    answer = browser.request("POST", "/sessions", {"email": browser.email, "password": PASSWORD, "guard": "influencer"})
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert "SameSite" in answer.headers["Set-Cookie"]
    (token,) = browser.http.cookies.values()
    assert token not in answer.text


def test_the_same_key_gives_the_same_answer_and_another_body_is_refused(platform, accounts):
    browser, key = Browser(platform.base_url), {"Idempotency-Key": str(uuid.uuid4())}
    body = registration_body()
    first = browser.done("POST", "/accounts", body, headers=key)
    before = accounts()
    assert browser.done("POST", "/accounts", body, headers=key) == first
    assert accounts() == before
    problem = browser.problem(422, "POST", "/accounts", body | {"name": "Someone Else"}, headers=key)
    assert problem["code"] == "idempotency-key-reused"


def test_signing_in_again_under_the_same_key_opens_no_second_session(platform):
    browser, key = Browser(platform.base_url), {"Idempotency-Key": str(uuid.uuid4())}
    browser.register()
    body = {"email": browser.email, "password": PASSWORD, "guard": "influencer", "transport": "bearer"}
    assert browser.done("POST", "/sessions", body, headers=key) == browser.done("POST", "/sessions", body, headers=key)


@pytest.mark.parametrize("key", ["short", "x" * 256, "with space in the middle", "ключ-ключ-ключ-ключ"])
def test_an_idempotency_key_that_could_be_anybodys_is_refused(visitor, key):
    problem = visitor.problem(400, "POST", "/accounts", registration_body(), headers={"Idempotency-Key": key.encode()})
    assert problem["code"] == "idempotency-key-malformed"


@pytest.mark.parametrize(
    "query",
    [
        {"q": "subject:nobody"},
        {"q": "occurred:yesterday"},
        {"q": "occurred:2026-02-01..2026-01-01"},
        {"q": "what did she do"},
        {"q": ""},
        {"limit": "0"},
        {"limit": "1000"},
        {"q": "type:identity.consent_grantd"},
        {"q": "publisher:biling"},
        {"q": "actor:robot"},
        {"unknown": "1"},
    ],
)
def test_a_question_that_makes_no_sense_is_refused(officer, query):
    assert officer.problem(422, "GET", "/audit/records", params=query)["code"] == "validation-failed"


def test_what_does_not_exist_is_not_found(officer):
    for path in (f"/audit/records/{uuid.uuid4()}", f"/audit/records/{uuid.uuid4()}/proof", "/nothing"):
        assert officer.problem(404, "GET", path)["code"] == "not-found"


@pytest.mark.parametrize("query", [{"from": 0, "to": 1}, {"from": 2, "to": 1}, {"from": 1, "to": 10**9}])
def test_consistency_is_proven_within_the_published_log_only(visitor, influencer, officer, query):
    problem = visitor.problem(422, "GET", "/audit/log/consistency", params=query)
    assert problem["code"] in ("checkpoint-out-of-range", "validation-failed")


def test_a_purpose_that_nobody_defined_is_refused(influencer):
    problem = influencer.problem(404, "PUT", f"/me/consents/{NEEDLE}")
    assert problem["code"] == "not-found"
    assert NEEDLE not in str(problem)


def test_no_value_that_was_sent_is_in_any_log(platform, visitor):
    needles = {name: f"needle{uuid.uuid4().hex}" for name in ("local", "name", "password", "key")}
    address = f"{needles['local']}@example.com"
    body = registration_body(email=address, name=needles["name"], password=needles["password"])
    visitor.done("POST", "/accounts", body)
    visitor.done("POST", "/accounts", body)
    visitor.problem(422, "POST", "/accounts", body | {"country": needles["key"], "time_zone": needles["key"]})
    sign_in = {"email": address, "password": needles["password"], "guard": "influencer"}
    session = visitor.done("POST", "/sessions", sign_in | {"transport": "bearer"})
    visitor.problem(401, "POST", "/sessions", sign_in | {"password": needles["password"] + "x"})
    logs = b"".join(path.read_bytes() for path in platform.state.logs.rglob("*") if path.is_file())
    assert b'"event"' in logs
    for value in (*needles.values(), session["access_token"], session["csrf_token"]):
        assert value.encode() not in logs


def test_of_many_who_register_one_address_at_once_one_has_it(platform, accounts):
    from concurrent.futures import ThreadPoolExecutor

    before, address = accounts(), email()

    def register(_):
        browser = Browser(platform.base_url)
        return browser.settled("/accounts", registration_body(email=address), str(uuid.uuid4()))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(register, range(8)))
    assert [answer.status_code for answer in answers] == [201] * 8
    assert len({answer.json()["account_id"] for answer in answers}) == 8
    assert accounts() == before + 1
