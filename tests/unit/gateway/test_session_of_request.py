import json
import re
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from werkzeug.test import TestResponse

from gateway.application import Application
from gateway.cookies import Cookies
from gateway.perimeter import Perimeter
from gateway.routes import ROUTES
from gateway.routing import Route
from gateway.sessions import KEPT_SECONDS, MOST_KEPT, csrf_token, token_hash
from shared.bus.actors import VISITOR, Actor, Client
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import GUARDS, TOKEN_SCOPES
from tests.unit.gateway.playing import (
    ACCOUNT,
    CURSORS,
    EXPIRES,
    TOKENS,
    Browser,
    Services,
    bearer,
    code_of,
    cookie,
    csrf,
    documented_request,
)

RESOLVE = "identity.resolve_session"
CREDENTIALS = {"email": "ada@example.org", "password": "violet-harbour-lantern-42", "guard": "influencer"}


def test_a_bearer_token_opens_its_session(ask: Browser, services: Services) -> None:
    assert ask("GET", "/v1/me", headers=bearer()).status_code == 200
    (asked,) = services.to(RESOLVE)
    assert (asked.arguments, asked.actor) == ({"token_hash": token_hash(TOKENS["influencer"])}, VISITOR)
    (read,) = services.to("identity.read_profile")
    assert read.actor == Actor("influencer", ACCOUNT, services.sessions[token_hash(TOKENS["influencer"])]["session_id"])


def test_a_token_never_leaves_the_gateway(ask: Browser, services: Services) -> None:
    ask("PATCH", "/v1/me", headers=bearer(), json={"name": "Ada"})
    assert TOKENS["influencer"] not in repr(services.calls)


@pytest.mark.parametrize("guard", GUARDS)
def test_each_guard_has_a_cookie_of_its_own(ask: Browser, services: Services, guard: str) -> None:
    assert ask("GET", "/v1/me", headers=cookie(guard)).status_code == 200
    assert services.to("identity.read_profile")[0].actor.kind == guard


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer forged-forged-forged-forged"},
        {"Authorization": "Bearer short"},
        {"Authorization": "Bearer " + "x" * 600},
        {"Authorization": "Bearer two tokens-in-one-header"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": f"Basic {TOKENS['influencer']}"},
        {"Cookie": "okacrm_influencer=forged-forged-forged-forged"},
        {"Cookie": "okacrm_influencer="},
        {"Cookie": "okacrm_influencer"},
        {"Cookie": ";;==; ="},
        {"Cookie": f"okacrm_client={TOKENS['influencer']}"},
        {"Cookie": f"influencer={TOKENS['influencer']}"},
        cookie("influencer") | {"Okacrm-Guard": "staff"},
    ],
)
def test_without_a_session_one_is_asked_to_sign_in(ask: Browser, headers: dict[str, str]) -> None:
    response = ask("GET", "/v1/me", headers=headers)
    assert code_of(response) == "not-signed-in"
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_an_expired_session_is_refused_even_when_it_is_known(ask: Browser, services: Services) -> None:
    session = services.sessions[token_hash(TOKENS["influencer"])]
    session["expires_at"] = (datetime.now(UTC) + timedelta(seconds=0.2)).isoformat()
    assert ask("GET", "/v1/me", headers=bearer()).status_code == 200
    time.sleep(0.25)
    assert code_of(ask("GET", "/v1/me", headers=bearer())) == "not-signed-in"
    assert len(services.to(RESOLVE)) == 1


def test_a_bearer_token_wins_over_cookies(ask: Browser, services: Services) -> None:
    ask("GET", "/v1/me", headers=bearer("client") | cookie("influencer"))
    assert services.to("identity.read_profile")[0].actor.kind == "client"
    refused = ask("GET", "/v1/me", headers={"Authorization": "Bearer forged-forged-forged"} | cookie("influencer"))
    assert code_of(refused) == "not-signed-in"


def test_a_session_of_another_guard_may_not(ask: Browser, services: Services) -> None:
    for headers in (bearer("influencer"), cookie("influencer"), bearer("staff"), cookie("client", "staff")):
        assert code_of(ask("GET", "/v1/audit/records", headers=headers)) == "wrong-guard"
    assert services.to("audit.list_records") == []


def test_a_worthless_cookie_of_another_guard_is_no_session(ask: Browser) -> None:
    headers = {"Cookie": "okacrm_client=forged-forged-forged"}
    assert code_of(ask("GET", "/v1/audit/records", headers=headers)) == "not-signed-in"


def test_of_several_sessions_the_one_that_may_is_meant(ask: Browser, services: Services) -> None:
    assert ask("GET", "/v1/audit/records", headers=cookie("influencer", "compliance")).status_code == 200
    assert services.to("audit.list_records")[0].actor.kind == "compliance"


def test_of_several_sessions_that_may_one_must_be_named(ask: Browser, services: Services) -> None:
    both = cookie("influencer", "client")
    assert code_of(ask("GET", "/v1/me", headers=both)) == "guard-ambiguous"
    assert ask("GET", "/v1/me", headers=both | {"Okacrm-Guard": "client"}).status_code == 200
    assert services.to("identity.read_profile")[0].actor.kind == "client"


@pytest.mark.parametrize("name", ["access_token", "token", "okacrm_influencer"])
def test_a_token_in_the_address_opens_no_session(ask: Browser, services: Services, name: str) -> None:
    """Addresses end up in logs, histories and Referer headers."""
    assert code_of(ask("GET", "/v1/me", query_string={name: TOKENS["influencer"]})) == "not-signed-in"
    assert services.calls == []


@pytest.mark.parametrize("named", ["", "owner", "Client", "client,client"])
def test_a_guard_that_there_is_not_cannot_be_named(ask: Browser, services: Services, named: str) -> None:
    for headers in (bearer("client"), cookie("client")):
        assert code_of(ask("GET", "/v1/me", headers=headers | {"Okacrm-Guard": named})) == "malformed-request"
    assert services.calls == []


def test_public_routes_look_at_no_session(ask: Browser, services: Services) -> None:
    assert ask("GET", "/v1/audit/log/key", headers=bearer()).status_code == 200
    assert services.to(RESOLVE) == []
    assert services.calls[-1].actor == VISITOR


# --- API tokens -------------------------------------------------------------------------------------------------------


API_TOKEN = "okat_3q2-7wEBAQ3q2-7wEBAQ3q2-7wEBAQ"


def program(services: Services, *scopes: str, guard: str = "influencer") -> dict[str, str]:
    """The headers of a program whose API token has these scopes, and whose person has a second factor."""
    services.sessions[token_hash(API_TOKEN)] = {
        "session_id": "019abf2e-0000-7000-8000-0000000000bb",
        "account_id": ACCOUNT,
        "guard": guard,
        "expires_at": EXPIRES,
        "second_factor": True,
        "scopes": list(scopes),
    }
    return {"Authorization": f"Bearer {API_TOKEN}"}


@pytest.mark.parametrize("route", [route for route in ROUTES if route.guards], ids=lambda route: route.operation_id)
def test_an_api_token_may_do_what_names_a_scope_it_has(ask: Browser, services: Services, route: Route) -> None:
    guard = next(iter(route.guards))
    enough = program(services, *TOKEN_SCOPES, guard=guard)
    refusal = code_of_refusal(documented_request(ask, route, headers=enough))
    assert refusal == (None if route.scope in TOKEN_SCOPES else "scope-missing")


@pytest.mark.parametrize("route", [route for route in ROUTES if route.scope], ids=lambda route: route.operation_id)
def test_an_api_token_without_the_scope_may_not(ask: Browser, services: Services, route: Route) -> None:
    others = [scope for scope in TOKEN_SCOPES if scope != route.scope]
    headers = program(services, *others, guard=next(iter(route.guards)))
    assert code_of(documented_request(ask, route, headers=headers)) == "scope-missing"
    assert not services.to(route.calls)


def test_what_concerns_signing_in_is_for_no_api_token() -> None:
    tied = [route for route in ROUTES if re.search("session|tokens|password|factor|security", route.path)]
    assert tied
    assert not [route for route in tied if route.scope]


def test_an_api_token_in_a_cookie_is_no_session(ask: Browser, services: Services) -> None:
    program(services, "consents:read")
    headers = {"Cookie": f"okacrm_influencer={API_TOKEN}"}
    assert code_of(ask("GET", "/v1/me/consents", headers=headers)) == "not-signed-in"


def code_of_refusal(response: TestResponse) -> str | None:
    return None if response.status_code < 400 else code_of(response)


# --- where a request comes from ---------------------------------------------------------------------------------------


def test_only_what_asks_for_it_is_told_the_client(ask: Browser, services: Services) -> None:
    headers = {"User-Agent": "Firefox/128"}
    ask("POST", "/v1/sessions", json=CREDENTIALS, headers=headers, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    (opened,) = services.to("identity.open_session")
    assert opened.client == Client("192.0.2.7", "Firefox/128")
    assert "192.0.2.7" not in repr(opened.arguments)
    ask("GET", "/v1/me", headers=bearer() | headers)
    assert services.to("identity.read_profile")[0].client is None


def test_a_user_agent_is_told_up_to_a_bound(ask: Browser, services: Services) -> None:
    ask("POST", "/v1/sessions", json=CREDENTIALS, headers={"User-Agent": "x" * 5000})
    assert services.to("identity.open_session")[0].client == Client("", "x" * 512)


@pytest.mark.parametrize(
    ("transport", "held", "told"),
    [
        ("cookie", "influencer", token_hash(TOKENS["influencer"])),
        ("cookie", "client", ""),
        ("bearer", "influencer", ""),
    ],
)
def test_a_sign_in_takes_the_place_of_the_cookie_it_overwrites(
    ask: Browser, services: Services, transport: str, held: str, told: str
) -> None:
    ask("POST", "/v1/sessions", json=CREDENTIALS | {"transport": transport}, headers=cookie(held))
    (opened,) = services.to("identity.open_session")
    assert opened.client is not None
    assert opened.client.held_token == told
    assert TOKENS[held] not in repr(opened)


@pytest.mark.parametrize("presented", [bearer(), cookie("influencer") | csrf()])
def test_a_renewed_token_is_handed_over_as_the_old_one_was_presented(
    ask: Browser, services: Services, presented: dict[str, str]
) -> None:
    renewed = "token-that-was-renewed-01"
    services.answers["identity.renew_session"] = lambda _: {"access_token": renewed}
    response = ask("POST", "/v1/session/token", headers=presented)
    document = json.loads(response.data)
    assert document["csrf_token"] == csrf_token(renewed)
    assert document["account_id"] == ACCOUNT
    by_cookie = "Cookie" in presented
    assert (renewed in response.headers.get("Set-Cookie", "")) == by_cookie
    assert (document.get("access_token") == renewed) == (not by_cookie)
    ask("GET", "/v1/session", headers=presented)
    assert len(services.to(RESOLVE)) == 2


# --- CSRF -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "", "wrong", csrf_token(TOKENS["client"]), csrf_token("stale"), "ä" * 43])
def test_a_change_in_a_cookie_session_needs_its_csrf_token(ask: Browser, services: Services, token: str | None) -> None:
    overrides = {} if token is None else {"HTTP_X_CSRF_TOKEN": token}
    for method, path in (("PUT", "/v1/me/consents/product_news"), ("PATCH", "/v1/me"), ("DELETE", "/v1/session")):
        response = ask(method, path, headers=cookie("influencer"), environ_overrides=overrides)
        assert code_of(response) == "csrf-failed"
    assert {call.name for call in services.calls} <= {RESOLVE, "identity.report_refusal"}


def test_with_it_the_change_is_made(ask: Browser) -> None:
    response = ask("PUT", "/v1/me/consents/product_news", headers=cookie("influencer") | csrf())
    assert response.status_code == 200


def test_a_bearer_session_needs_none(ask: Browser) -> None:
    headers = bearer() | {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    assert ask("PUT", "/v1/me/consents/product_news", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
        {"Origin": "https://localhost"},
        {"Origin": "http://localhost:81"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://app.localhost"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://elsewhere.example"},
    ],
)
def test_a_change_from_another_site_is_refused_even_with_the_token(ask: Browser, headers: dict[str, str]) -> None:
    response = ask("PUT", "/v1/me/consents/product_news", headers=cookie("influencer") | csrf() | headers)
    assert code_of(response) == "csrf-failed"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost"},
    ],
)
def test_a_change_from_our_own_site_is_made(ask: Browser, headers: dict[str, str]) -> None:
    response = ask("PUT", "/v1/me/consents/product_news", headers=cookie("influencer") | csrf() | headers)
    assert response.status_code == 200


# --- signing in and out -----------------------------------------------------------------------------------------------


def test_signing_in_with_a_cookie_shows_the_token_to_no_page(ask: Browser, services: Services) -> None:
    response = ask("POST", "/v1/sessions", json=CREDENTIALS)
    assert response.status_code == 201
    token = TOKENS["influencer"]
    assert token not in response.text
    assert json.loads(response.data)["csrf_token"] == csrf_token(token)
    assert response.headers["Set-Cookie"] == (
        f"okacrm_influencer={token}; Expires=Tue, 01 Jan 2999 00:00:00 GMT; Path=/; HttpOnly; SameSite=Lax"
    )
    assert services.to("identity.open_session")[0].arguments == CREDENTIALS | {"one_time_code": None}


def test_signing_in_with_a_bearer_token_sets_no_cookie(ask: Browser, services: Services) -> None:
    response = ask("POST", "/v1/sessions", json=CREDENTIALS | {"transport": "bearer"})
    body = json.loads(response.data)
    assert (body["access_token"], body["csrf_token"]) == (TOKENS["influencer"], csrf_token(TOKENS["influencer"]))
    assert "Set-Cookie" not in response.headers
    assert services.to("identity.open_session")[0].arguments == CREDENTIALS | {"one_time_code": None}


def test_over_https_cookies_are_secure_and_bound_to_the_host(services: Services) -> None:
    response = Browser(Application(services, Perimeter(local=False), CURSORS))("POST", "/v1/sessions", json=CREDENTIALS)
    value = response.headers["Set-Cookie"]
    assert value.startswith("__Host-okacrm_influencer=")
    assert value.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")
    assert "Domain" not in value


def test_a_refused_sign_in_leaves_nothing(ask: Browser, services: Services) -> None:
    services.refuse("identity.open_session", "sign-in-refused")
    response = ask("POST", "/v1/sessions", json=CREDENTIALS)
    assert code_of(response) == "sign-in-refused"
    assert "Set-Cookie" not in response.headers


def test_the_session_is_shown_again_to_a_page_that_was_loaded_again(ask: Browser) -> None:
    shown = json.loads(ask("GET", "/v1/session", headers=cookie("client")).data)
    assert shown == {
        "session_id": "019abf2e-0000-7000-8000-000000000001",
        "account_id": ACCOUNT,
        "guard": "client",
        "expires_at": EXPIRES,
        "csrf_token": csrf_token(TOKENS["client"]),
    }


def test_signing_out_drops_the_cookie(ask: Browser, services: Services) -> None:
    response = ask("DELETE", "/v1/session", headers=cookie("influencer") | csrf())
    assert (response.status_code, response.data) == (204, b"")
    assert response.headers["Set-Cookie"] == "okacrm_influencer=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"
    assert "Content-Type" not in response.headers
    assert services.to("identity.close_session")[0].actor.session_id


def test_signing_out_a_bearer_session_speaks_of_no_cookie(ask: Browser) -> None:
    assert "Set-Cookie" not in ask("DELETE", "/v1/session", headers=bearer()).headers


@pytest.mark.parametrize("code", [None, "outcome-unknown", "service-unavailable"])
def test_after_sign_out_the_token_is_asked_about_again(ask: Browser, services: Services, code: str | None) -> None:
    if code:
        services.refuse("identity.close_session", code)
    ask("DELETE", "/v1/session", headers=bearer())
    services.sessions.clear()
    assert code_of(ask("GET", "/v1/me", headers=bearer())) == "not-signed-in"


# --- what is remembered -----------------------------------------------------------------------------------------------


def test_identity_is_asked_once_for_many_requests_in_a_moment(ask: Browser, services: Services) -> None:
    for _ in range(20):
        ask("GET", "/v1/me", headers=bearer())
    assert len(services.to(RESOLVE)) == 1


def test_a_revoked_session_is_refused_within_a_second(ask: Browser, services: Services) -> None:
    def slowly(arguments: dict[str, str]) -> dict[str, str]:
        answer = services.resolve(arguments)
        time.sleep(0.3)
        return answer

    services.answers[RESOLVE] = slowly
    asked = time.monotonic()
    assert ask("GET", "/v1/me", headers=bearer()).status_code == 200
    services.sessions.clear()
    time.sleep(max(0.0, asked + KEPT_SECONDS + 0.05 - time.monotonic()))
    assert code_of(ask("GET", "/v1/me", headers=bearer())) == "not-signed-in"


def test_a_refusal_is_not_remembered(ask: Browser, services: Services) -> None:
    sessions, services.sessions = services.sessions, {}
    assert code_of(ask("GET", "/v1/me", headers=bearer())) == "not-signed-in"
    services.sessions = sessions
    assert ask("GET", "/v1/me", headers=bearer()).status_code == 200


def test_requests_at_the_same_time_share_one_question(ask: Browser, services: Services) -> None:
    together = threading.Barrier(8)

    def slowly(arguments: dict[str, str]) -> dict[str, str]:
        time.sleep(0.2)
        return services.resolve(arguments)

    statuses: list[int] = []

    def request() -> None:
        together.wait()
        statuses.append(ask("GET", "/v1/me", headers=bearer()).status_code)

    services.answers[RESOLVE] = slowly
    threads = [threading.Thread(target=request) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 8
    assert len(services.to(RESOLVE)) == 1


def test_a_question_without_an_answer_has_no_outcome_in_doubt(ask: Browser, services: Services) -> None:
    services.refuse(RESOLVE, "outcome-unknown")
    response = ask("PUT", "/v1/me/consents/product_news", headers=bearer())
    assert code_of(response) == "service-unavailable"
    assert response.headers["Retry-After"] == "1"


def test_what_is_remembered_is_bounded(application: Application, services: Services, monkeypatch) -> None:
    monkeypatch.setattr("gateway.sessions.MOST_KEPT", 3)
    assert MOST_KEPT > 3
    services.answers[RESOLVE] = lambda arguments: services.sessions[token_hash(TOKENS["influencer"])]
    ask = Browser(application)
    tokens = [f"one-of-many-tokens-{number}" for number in range(5)]
    for token in [*tokens, tokens[4], tokens[0]]:
        ask("GET", "/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert len(services.to(RESOLVE)) == 6  # the last of the five was still known, the first no longer


def test_cookies_of_others_are_passed_over() -> None:
    cookies = Cookies(local=True)
    header = f'theme=dark; okacrm_staff={TOKENS["staff"]}; okacrm_staff=second; a="b; c"'
    assert cookies.read(header) == {"staff": TOKENS["staff"]}


def test_a_fault_while_asking_reaches_everybody_who_waits(ask: Browser, services: Services) -> None:
    def fail(arguments: dict[str, str]) -> dict[str, str]:
        raise RuntimeError("secret")

    services.answers[RESOLVE] = fail
    assert code_of(ask("GET", "/v1/me", headers=bearer())) == "internal"
    services.answers[RESOLVE] = services.resolve
    assert ask("GET", "/v1/me", headers=bearer()).status_code == 200


def test_a_problem_of_identity_is_passed_on(ask: Browser, services: Services) -> None:
    def away(arguments: dict[str, str]) -> dict[str, str]:
        raise Problem("service-unavailable")

    services.answers[RESOLVE] = away
    assert code_of(ask("GET", "/v1/me", headers=bearer())) == "service-unavailable"
