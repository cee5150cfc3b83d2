"""Attacks, each as its attacker would make it, on the whole platform through its real sockets."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
import requests

from deploy.local.platform import Platform
from gateway.request import LARGEST_BODY
from tests.e2e.conftest import Browser
from tests.making import PASSWORD, eventually, registration_body

EVIL = "evil.example"
COOKIE = "okacrm_influencer"
CONSENT = "/me/consents/product_news"

Wire = Callable[[bytes], bytes]


@pytest.fixture
def wire(platform: Platform) -> Wire:
    """Sends bytes on a connection of their own, and gives back all that comes until it is closed by the gateway."""
    address = urlsplit(platform.base_url)

    def talk(data: bytes) -> bytes:
        with socket.create_connection((address.hostname, address.port), 30) as connection:
            connection.sendall(data)
            answer = b""
            with suppress(ConnectionResetError):
                while received := connection.recv(65536):
                    answer += received
            return answer

    return talk


def code_of(answer: bytes) -> str:
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["type"].rsplit("/", 1)[-1])


def carrying(browser: Browser, **cookies: str) -> Browser:
    """Somebody with these cookies in their browser."""
    holder = Browser(browser.base_url)
    holder.http.cookies.update(cookies)
    return holder


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_a_session_planted_before_signing_in_is_not_the_one_that_is_opened(influencer: Browser) -> None:
    """Session fixation: what an attacker put into a browser is worth nothing after its owner has signed in there."""
    attacker = Browser(influencer.base_url)
    attacker.register()
    attacker.sign_in()
    for planted in ("f" * 43, attacker.http.cookies[COOKIE]):
        victim = carrying(influencer, **{COOKIE: planted})
        victim.email = influencer.email
        answer = victim.request(
            "POST", "/sessions", {"email": victim.email, "password": PASSWORD, "guard": "influencer"}
        )
        assert answer.status_code == 201
        (opened,) = {cookie.value for cookie in answer.cookies}
        assert opened != planted
        assert carrying(influencer, **{COOKIE: opened}).get("/me")["account_id"] == influencer.account_id
    assert carrying(influencer, **{COOKIE: "f" * 43}).request("GET", "/me").status_code == 401
    # The attacker's own session ended when the cookie that carried it was overwritten.
    assert attacker.request("GET", "/me").status_code == 401


def test_signing_in_anew_opens_another_session_each_time(influencer: Browser) -> None:
    first = influencer.http.cookies[COOKIE]
    influencer.sign_in()
    assert influencer.http.cookies[COOKIE] != first


def test_a_cookie_that_was_altered_is_no_session(influencer: Browser) -> None:
    token = influencer.http.cookies[COOKIE]
    altered = [token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :] for place in (0, 20, -1)]
    altered += [token[:-1], token + "A", token.swapcase(), token[::-1], f"{token}.{token}", ""]
    for value in altered:
        assert carrying(influencer, **{COOKIE: value}).problem(401, "GET", "/me")["code"] == "not-signed-in"


@pytest.mark.parametrize("guard", ["client", "compliance", "staff"])
def test_a_token_under_the_cookie_of_another_guard_is_no_session(influencer: Browser, guard: str) -> None:
    holder = carrying(influencer, **{f"okacrm_{guard}": influencer.http.cookies[COOKIE]})
    assert holder.problem(401, "GET", "/me")["code"] == "not-signed-in"


@pytest.mark.parametrize("transport", ["cookie", "bearer"])
def test_a_token_is_worth_nothing_after_signing_out(platform: Platform, transport: str) -> None:
    browser = Browser(platform.base_url)
    browser.register()
    session = browser.sign_in(transport=transport)
    if transport == "bearer":
        browser.http.headers["Authorization"] = f"Bearer {session['access_token']}"
    thief = Browser(platform.base_url)
    thief.http.cookies.update(browser.http.cookies)
    thief.http.headers.update(browser.http.headers)
    assert thief.get("/me")["account_id"] == browser.account_id
    browser.done("DELETE", "/session")
    eventually(lambda: thief.request("GET", "/me").status_code == 401)
    for method, path in (("GET", "/me"), ("PUT", CONSENT), ("DELETE", "/session"), ("GET", "/session")):
        assert thief.problem(401, method, path)["code"] == "not-signed-in"


def test_signing_in_with_the_key_of_a_session_that_ended_does_not_bring_it_back(platform: Platform) -> None:
    browser, key = Browser(platform.base_url), {"Idempotency-Key": str(uuid.uuid4())}
    browser.register()
    body = {"email": browser.email, "password": PASSWORD, "guard": "influencer", "transport": "bearer"}
    token = browser.done("POST", "/sessions", body, headers=key)["access_token"]
    held = {"Authorization": f"Bearer {token}"}
    browser.done("DELETE", "/session", headers=held)
    browser.request("POST", "/sessions", body, headers=key)
    eventually(lambda: browser.request("GET", "/me", headers=held).status_code == 401)


@pytest.mark.parametrize("password", ["Ω ሴ  \U0001f40e\U0001f50b spaces  kept", "violet harbour lantern " * 4 + "42!"])
def test_a_password_may_be_any_text_and_counts_to_its_last_character(visitor: Browser, password: str) -> None:
    visitor.register(password=password)
    visitor.sign_in(password=password)
    for other in (password[:-1], password + " ", password.replace("  ", " "), password[:72]):
        if other != password:
            body = {"email": visitor.email, "password": other, "guard": "influencer"}
            assert visitor.problem(401, "POST", "/sessions", body)["code"] == "sign-in-refused"


# --- other sites ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": f"https://{EVIL}", "Sec-Fetch-Site": "cross-site"},
        {"Origin": f"https://{EVIL}"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": f"http://{EVIL}", "X-Forwarded-Host": EVIL},
    ],
)
def test_another_site_changes_nothing_with_the_cookies_of_who_visits_it(
    influencer: Browser, headers: dict[str, str]
) -> None:
    """CSRF: with and without the token, for it may have leaked."""
    for token in ({}, {"X-CSRF-Token": None}):
        answer = influencer.request("PUT", CONSENT, headers=headers | token)
        assert answer.status_code in (403, 421), answer.text
        assert "Access-Control-Allow-Origin" not in answer.headers
    states = {item["purpose"]: item["state"] for item in influencer.get("/me/consents")["items"]}
    assert states["product_news"] == "not_given"


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_of_another_site_signs_nobody_in(influencer: Browser, media_type: str) -> None:
    """Forms can send these types without asking first, and JSON in them; scripts must ask, and are not let in."""
    body = json.dumps({"email": influencer.email, "password": PASSWORD, "guard": "influencer"})
    answer = influencer.request("POST", "/sessions", data=body, headers={"Content-Type": media_type})
    assert answer.status_code == 415
    assert "Set-Cookie" not in answer.headers
    asked = influencer.request(
        "OPTIONS", "/sessions", headers={"Origin": f"https://{EVIL}", "Access-Control-Request-Method": "POST"}
    )
    assert asked.status_code == 405
    assert not any(name.startswith("Access-Control") for name in asked.headers)


def test_asking_changes_nothing(influencer: Browser) -> None:
    for method in ("GET", "HEAD", "OPTIONS"):
        assert influencer.request(method, CONSENT).status_code == 405


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": EVIL},
        {"Host": f"localhost.{EVIL}"},
        {"Host": f"localhost@{EVIL}"},
        {"X-Forwarded-Host": EVIL},
        {"X-Forwarded-Host": f"localhost, {EVIL}"},
    ],
)
def test_no_answer_is_made_from_the_name_that_was_asked(
    platform: Platform, influencer: Browser, headers: dict[str, str]
) -> None:
    """Host-header injection: what a cache or a mail would carry on never has the attacker's name in it."""
    for path in ("/docs", "/openapi.json", "/v1/me", "/v1/audit/log/key", "/healthz", "/nothing"):
        answer = influencer.http.get(platform.base_url + path, headers=headers, timeout=10, allow_redirects=False)
        assert answer.status_code == (200 if path == "/healthz" else 421)
        assert EVIL not in answer.text + str(answer.headers)


def test_a_host_in_the_request_line_is_not_believed(wire: Wire) -> None:
    for host in ("localhost", EVIL):
        answer = wire(
            f"GET http://{EVIL}/v1/audit/log/key HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        )
        assert code_of(answer) == "misdirected"
        assert EVIL.encode() not in answer


@pytest.mark.parametrize("before", [b"", b"\r\n"])
@pytest.mark.parametrize("host", [b"", b"http://localhost"])
def test_a_request_is_answered_in_each_form_that_it_may_have(wire: Wire, before: bytes, host: bytes) -> None:
    line = before + b"GET " + host + b"/v1/audit/log/key HTTP/1.1\r\nHost: localhost\r\n"
    answer = wire(line + b"\r\n" + line + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 2


# --- bytes ------------------------------------------------------------------------------------------------------------

SMUGGLED = b"GET /v1/audit/log/key HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /v1/accounts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "request_head",
    [
        pytest.param(POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="CL.TE"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n", id="TE.CL"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="chunks"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n", id="chunks of a strange size"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n0;a=b\n\n", id="chunks with an extension"),
        pytest.param(POST + b"Transfer-Encoding: xchunked\r\n\r\n", id="unknown coding"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", id="TE.TE"),
        pytest.param(POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", id="space before the colon"),
        pytest.param(POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", id="vertical tab"),
        pytest.param(
            POST + b"Transfer_Encoding: chunked\r\nContent-Length: 0\r\nContent-Length: 9\r\n\r\n", id="CL.CL"
        ),
        pytest.param(POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n", id="the same length twice"),
        pytest.param(POST + b"Content-Length: 0, 50\r\n\r\n", id="two lengths in one"),
        pytest.param(POST + b"Content-Length: +0\r\n\r\n", id="signed length"),
        pytest.param(POST + b"X-A: b\r\n Content-Length: 50\r\n\r\n", id="obs-fold"),
        pytest.param(POST + b"X-A: b\nContent-Length: 50\r\n\r\n", id="bare line feed"),
        pytest.param(POST.replace(b"\r\n", b"\n") + b"\n", id="bare line feeds"),
        pytest.param(POST + b"X-A: b\rContent-Length: 50\r\n\r\n", id="bare carriage return"),
        pytest.param(POST + b"X-A: b\x00\r\n\r\n", id="NUL"),
        pytest.param(b"GET /v1/me\r\n", id="HTTP/0.9"),
        pytest.param(b"GET /v1/me HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param(b"GET /v1/me HTTP/1.1\r\nHost: localhost\r\nHost: " + EVIL.encode() + b"\r\n\r\n", id="two hosts"),
    ],
)
def test_no_request_is_smuggled_behind_another(wire: Wire, request_head: bytes) -> None:
    """One refusal, then the end: what follows on the connection is never taken for a request."""
    answer = wire(request_head + SMUGGLED)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert code_of(answer) in ("malformed-request", "length-required")
    assert b"\r\nConnection: close\r\n" in answer
    for header in (b"X-Content-Type-Options: nosniff", b"Cache-Control: no-store", b"X-Request-Id: "):
        assert header in answer


def test_what_is_left_of_a_refused_body_is_not_the_next_request(wire: Wire) -> None:
    body = b"x" * (LARGEST_BODY + 1 - len(SMUGGLED)) + SMUGGLED
    answer = wire(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body + SMUGGLED)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert code_of(answer) == "body-too-large"


def test_a_body_that_is_refused_unread_is_still_its_own(wire: Wire) -> None:
    """Short bodies are passed over, so that the connection can be kept."""
    head = b"PATCH /v1/me HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    last = b"GET /v1/audit/log/key HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = wire(head + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED + last)
    statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"401", b"200"]


@pytest.mark.parametrize("size", [LARGEST_BODY + 1, 10**12])
def test_a_body_that_is_too_large_is_refused_before_it_is_sent(wire: Wire, size: int) -> None:
    assert code_of(wire(POST + b"Content-Length: %d\r\n\r\n" % size)) == "body-too-large"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"GET /v1/me/consents/%ff HTTP/1.1", "malformed-request"),
        (b"GET /v1/me/consents/\xff HTTP/1.1", "malformed-request"),
        (b"GET /v1/me/consents/%c0%af HTTP/1.1", "malformed-request"),
        (b"GET /v1/me/consents/%ed%a0%80 HTTP/1.1", "malformed-request"),
        (b"GET /v1/audit/log/consistency?from=%ff&to=2 HTTP/1.1", "malformed-request"),
        (b"GET /v1/audit/log/consistency?from=\xff&to=2 HTTP/1.1", "malformed-request"),
        (b"GET /v1/me HTTP/1.1\r\nUser-Agent: \xff", "malformed-request"),
        (b"GET /v1/me HTTP/1.1\r\nCookie: okacrm_influencer=\xc3\xa9\xc3\xa9", "not-signed-in"),
        (b"GET /v1/me HTTP/1.1\r\nAuthorization: Bearer \xc3\xa9\xc3\xa9", "not-signed-in"),
    ],
)
def test_text_that_is_not_utf_8_is_refused(wire: Wire, line: bytes, code: str) -> None:
    assert code_of(wire(line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")) == code


@pytest.mark.parametrize("text", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\\ud800"])
def test_a_body_that_is_not_utf_8_registers_nobody(visitor: Browser, text: bytes) -> None:
    body = json.dumps(registration_body(name="NAME")).encode().replace(b"NAME", text)
    answer = visitor.request("POST", "/accounts", data=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"].rsplit("/", 1)[-1]) == (400, "malformed-json")


# --- proxies ----------------------------------------------------------------------------------------------------------


def test_an_answer_is_the_same_whatever_proxies_are_claimed(platform: Platform, influencer: Browser) -> None:
    claims = {"X-Forwarded-For": "' OR 1=1, 999.999.999.999, ::1%eth0", "X-Forwarded-Proto": "javascript"}
    answer = influencer.request("GET", "/me", headers=claims)
    assert answer.status_code == 200
    assert requests.get(f"{platform.base_url}/healthz", headers=claims, timeout=10).status_code == 200
