"""Pages of other origins: those on the list are let in, and no other."""

from __future__ import annotations

import pytest

from gateway.application import Application
from gateway.perimeter import Perimeter
from tests.unit.gateway.playing import CURSORS, Browser, Services, bearer, code_of, cookie, csrf

LISTED = "https://www.example"
CONSENT = "/v1/me/consents/product_news"
HEADERS_OF_CORS = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers")


@pytest.fixture
def ask(services: Services) -> Browser:
    return Browser(Application(services, Perimeter(cors_origins=frozenset({LISTED})), CURSORS))


def preflight(ask: Browser, path: str = CONSENT, origin: str = LISTED):
    return ask("OPTIONS", path, headers={"Origin": origin, "Access-Control-Request-Method": "PUT"})


def test_a_page_on_the_list_may_read_answers_and_refusals(ask: Browser) -> None:
    for headers in (bearer(), {}):
        answer = ask("GET", "/v1/me", headers=headers | {"Origin": LISTED})
        assert answer.headers["Access-Control-Allow-Origin"] == LISTED
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert {"X-Request-Id", "Retry-After", "RateLimit", "Idempotency-Key"} <= set(
            answer.headers["Access-Control-Expose-Headers"].split(", ")
        )
        assert answer.headers["Vary"] == "Origin"


def test_it_may_send_changes_in_a_cookie_session_with_the_csrf_token(ask: Browser) -> None:
    headers = cookie("influencer") | {"Origin": LISTED, "Sec-Fetch-Site": "same-site"}
    assert ask("PUT", CONSENT, headers=headers | csrf()).status_code == 200
    assert code_of(ask("PUT", CONSENT, headers=headers)) == "csrf-failed"


def test_a_preflight_tells_what_can_be_done_there(ask: Browser, services: Services) -> None:
    answer = preflight(ask)
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Access-Control-Allow-Methods"] == "DELETE, PUT"
    assert {"Content-Type", "X-CSRF-Token", "Okacrm-Guard", "Idempotency-Key"} <= set(
        answer.headers["Access-Control-Allow-Headers"].split(", ")
    )
    assert answer.headers["Access-Control-Allow-Origin"] == LISTED
    assert answer.headers["RateLimit-Policy"].startswith('"network"')
    assert services.calls == []


def test_a_preflight_for_nothing_finds_nothing(ask: Browser) -> None:
    assert code_of(preflight(ask, "/v1/nothing")) == "not-found"


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://www.example", "https://www.example:8443", "https://www.example.evil", "null", ""],
)
def test_a_page_that_is_not_on_it_may_do_neither(ask: Browser, origin: str) -> None:
    answer = ask("GET", "/v1/me", headers=bearer() | {"Origin": origin})
    assert not any(header in answer.headers for header in HEADERS_OF_CORS)
    assert answer.headers["Vary"] == "Origin"
    refused = preflight(ask, origin=origin)
    assert code_of(refused) == "method-not-allowed"
    assert not any(name.startswith("Access-Control") for name, _ in refused.headers)
    change = ask("PUT", CONSENT, headers=cookie("influencer") | csrf() | {"Origin": origin})
    assert code_of(change) == "csrf-failed"


def test_with_an_empty_list_nothing_is_said(services: Services) -> None:
    ask = Browser(Application(services, Perimeter(), CURSORS))
    for answer in (ask("GET", "/v1/me", headers=bearer() | {"Origin": LISTED}), preflight(ask)):
        assert "Vary" not in answer.headers
        assert not any(name.startswith("Access-Control") for name, _ in answer.headers)
