"""No cookie that is not in the register, none that is not strictly necessary, and none for who chose nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from gateway.application import Application
from gateway.cookies import REGISTER, VISITOR_COOKIE, Cookie, CookieRefused, Cookies, may_set
from gateway.limits import CHOICES_PER_NETWORK
from gateway.openapi import example_of
from gateway.perimeter import Perimeter
from gateway.routes import ROUTES
from gateway.routes.identity.cookies import CookieChoicesSchema
from gateway.routing import Route
from shared.bus.actors import VISITOR
from shared.contracts.vocabulary import COOKIE_CATEGORIES, COOKIE_WORDINGS, STRICTLY_NECESSARY
from tests.unit.gateway.playing import CURSORS, EXPIRES, TOKENS, Browser, Services, bearer, code_of, cookie, csrf
from tests.unit.gateway.playing import documented_request as send

ROOT = Path(__file__).parents[3]
CHOOSE = "identity.choose_cookies"
TOKEN = "0123456789abcdef.visitor-token"
CHOICE = {"preferences": False, "analytics": False, "wording_version": COOKIE_WORDINGS[-1]}
NECESSARY = {each.name for each in REGISTER if each.category == STRICTLY_NECESSARY}


@pytest.fixture
def services(services: Services) -> Services:
    """Identity knows every visitor who chose, and tells what they are known by."""
    known = {"visitor_token": TOKEN, "remembered_until": EXPIRES}
    services.answers[CHOOSE] = lambda arguments: example_of(CookieChoicesSchema()) | known
    return services


def set_by(answer: TestResponse) -> set[str]:
    return {value.partition("=")[0] for value in answer.headers.getlist("Set-Cookie")}


def as_visitor(token: str = TOKEN) -> dict[str, str]:
    return {"Cookie": f"{VISITOR_COOKIE}={token}"}


def choose(ask: Browser, headers: dict[str, str] | None = None, **changes: Any) -> TestResponse:
    return ask("PUT", "/v1/cookie-choices", json=CHOICE | changes, headers=headers or {})


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
def test_no_route_sets_a_cookie_that_is_not_strictly_necessary_and_declared(
    ask: Browser, services: Services, route: Route
) -> None:
    sessions = [cookie(guard) | csrf(guard) for guard in TOKENS if guard in route.sessions]
    for headers in ({}, as_visitor(), {"Sec-GPC": "1"}, *sessions):
        assert set_by(send(ask, route, headers)) <= NECESSARY


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/healthz", "/v1/cookie-choices", "/v1/nothing"])
def test_whoever_only_looks_gets_no_cookie(ask: Browser, path: str) -> None:
    assert set_by(ask("GET", path)) == set()


def test_cookies_come_from_one_place() -> None:
    setting = [path for path in (ROOT / "gateway").rglob("*.py") if "set-cookie" in path.read_text().lower()]
    assert setting == [ROOT / "gateway" / "cookies.py"]


def test_a_cookie_that_is_not_in_the_register_cannot_be_set() -> None:
    with pytest.raises(CookieRefused):
        Cookies(local=True).keep("okacrm_tracker", "1", EXPIRES, allowed=COOKIE_CATEGORIES)


@pytest.mark.parametrize("category", COOKIE_CATEGORIES[1:])
def test_an_optional_cookie_is_set_for_whoever_allowed_its_category(category: str) -> None:
    cookies = Cookies(local=True, register=[Cookie("okacrm_more", category, "For this test.", "A day.")])
    others = [each for each in COOKIE_CATEGORIES if each != category]
    for allowed in ((), others):
        assert not may_set(category, allowed)
        with pytest.raises(CookieRefused):
            cookies.keep("okacrm_more", "1", EXPIRES, allowed=allowed)
    assert cookies.keep("okacrm_more", "1", EXPIRES, allowed=[category])[1].startswith("okacrm_more=1; ")


@pytest.mark.parametrize("local", [True, False])
def test_the_register_is_shown_under_the_names_that_browsers_know(services: Services, local: bool) -> None:
    ask = Browser(Application(services, Perimeter(local=local), CURSORS))
    shown = json.loads(ask("GET", "/v1/cookie-choices").data)["cookies"]
    prefix = "" if local else "__Host-"
    assert [each["name"] for each in shown] == [f"{prefix}{each.name}" for each in REGISTER]
    assert {each["category"] for each in shown} <= set(COOKIE_CATEGORIES)


def test_the_register_stands_in_the_documentation() -> None:
    page = (ROOT / "docs" / "http-api.md").read_text()
    for each in REGISTER:
        assert f"| `{each.name}` | `{each.category}` | {each.purpose} | {each.life} |" in page


def test_a_choice_is_remembered_by_a_cookie_that_no_page_can_read(services: Services) -> None:
    answer = choose(Browser(Application(services, Perimeter(local=False), CURSORS)))
    (value,) = answer.headers.getlist("Set-Cookie")
    assert value.startswith(f"__Host-okacrm_visitor={TOKEN}; Expires=")
    assert value.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")
    assert TOKEN not in answer.text


def test_identity_is_told_what_the_browser_kept_and_what_it_says(ask: Browser, services: Services) -> None:
    choose(ask, as_visitor() | {"Sec-GPC": "1"})
    (asked,) = services.to(CHOOSE)
    assert (asked.actor, asked.arguments) == (VISITOR, CHOICE)
    assert asked.client is not None
    assert (asked.client.visitor_token, asked.client.objects) == (TOKEN, True)


@pytest.mark.parametrize("signal", ["0", "", "true", "1, 1", "?1"])
def test_only_the_signal_itself_is_heard(ask: Browser, services: Services, signal: str) -> None:
    choose(ask, {"Sec-GPC": signal})
    assert services.to(CHOOSE)[0].client.objects is False  # type: ignore[union-attr]


@pytest.mark.parametrize("token", ["", "a b", "a,b", "ä", "x" * 129])
def test_what_cannot_be_a_visitor_is_not_passed_on(ask: Browser, services: Services, token: str) -> None:
    choose(ask, {"Cookie": f"{VISITOR_COOKIE}={token}".encode().decode("latin-1")})
    assert services.to(CHOOSE)[0].client.visitor_token == ""  # type: ignore[union-attr]


def test_in_a_session_the_choice_is_its_persons(ask: Browser, services: Services) -> None:
    choose(ask, cookie("client") | csrf("client"))
    choose(ask, bearer("influencer"))
    assert [call.actor.kind for call in services.to(CHOOSE)] == ["client", "influencer"]


def test_an_api_token_and_a_session_that_ended_are_no_session_here(ask: Browser, services: Services) -> None:
    for session in services.sessions.values():
        session["scopes"] = ["consents:write"]
    choose(ask, bearer())
    choose(ask, {"Cookie": "okacrm_influencer=a-session-that-ended-long-ago"})
    assert [call.actor for call in services.to(CHOOSE)] == [VISITOR, VISITOR]


@pytest.mark.parametrize(
    "headers",
    [
        cookie("influencer"),
        cookie("influencer") | csrf("client"),
        cookie("influencer") | csrf() | {"Origin": "https://elsewhere.example"},
        as_visitor() | {"Origin": "https://elsewhere.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_of_others_chooses_for_nobody(ask: Browser, services: Services, headers: dict[str, str]) -> None:
    assert code_of(choose(ask, headers)) == "csrf-failed"
    assert services.to(CHOOSE) == []


def test_who_holds_several_sessions_says_whose_choice_it_is(ask: Browser) -> None:
    assert code_of(choose(ask, cookie("influencer", "client"))) == "guard-ambiguous"


@pytest.mark.parametrize("missing", ["preferences", "analytics", "wording_version"])
def test_nothing_is_allowed_by_silence(ask: Browser, services: Services, missing: str) -> None:
    body = {name: value for name, value in CHOICE.items() if name != missing}
    assert code_of(ask("PUT", "/v1/cookie-choices", json=body)) == "validation-failed"
    assert services.to(CHOOSE) == []


def test_visitors_of_one_network_cannot_flood_the_history(ask: Browser, services: Services) -> None:
    for _ in range(CHOICES_PER_NETWORK):
        assert choose(ask).status_code == 200
    refused = choose(ask)
    assert code_of(refused) == "rate-limited"
    assert refused.headers["RateLimit-Policy"] == f'"choices";q={CHOICES_PER_NETWORK};w=60'
    assert len(services.to(CHOOSE)) == CHOICES_PER_NETWORK
    assert ask("GET", "/v1/cookie-choices").status_code == 200
    assert choose(ask, bearer()).status_code == 200


def test_who_signs_up_is_no_visitor_any_more(ask: Browser, services: Services) -> None:
    (sign_up,) = (route for route in ROUTES if route.calls == "identity.register_account")
    assert set_by(send(ask, sign_up)) == set()
    dropped = send(ask, sign_up, as_visitor())
    assert dropped.headers["Set-Cookie"] == f"{VISITOR_COOKIE}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"
    assert services.to("identity.register_account")[-1].client.visitor_token == TOKEN  # type: ignore[union-attr]
    services.refuse("identity.register_account", "password-too-weak")
    assert set_by(send(ask, sign_up, as_visitor())) == set()


def test_the_platform_says_that_it_honours_the_signal(ask: Browser) -> None:
    answer = ask("GET", "/.well-known/gpc.json")
    assert (answer.mimetype, json.loads(answer.data)["gpc"]) == ("application/json", True)
