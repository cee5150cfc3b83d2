import json

import pytest
import structlog
from werkzeug.test import Client

from gateway.application import Application
from gateway.metrics import MetricsPage
from gateway.perimeter import Perimeter
from gateway.routes import ROUTES
from gateway.routing import PUBLIC
from tests.unit.gateway.playing import CURSORS, TOKENS, Browser, Services, bearer, code_of, cookie, documented_request

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
PATHS = (
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/asyncapi.json",
    "/docs",
    "/docs/style.css",
    "/v1/me",
    "/nothing",
    "/v1/%zz",
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("local", [True, False])
def test_every_answer_carries_the_security_headers(services: Services, path: str, local: bool) -> None:
    response = Browser(Application(services, Perimeter(local=local), CURSORS))("GET", "/", raw_path=path)
    assert EVERYWHERE.items() <= dict(response.headers).items()
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert ("Strict-Transport-Security" in response.headers) is not local
    assert "Server" not in response.headers
    assert response.headers["X-Request-Id"]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
def test_nothing_but_the_public_log_may_be_stored(ask: Browser, services: Services, route) -> None:
    stored = documented_request(ask, route).headers["Cache-Control"]
    is_public_log = route.path.startswith("/v1/audit/log/") and route.guards == PUBLIC
    assert (stored == "no-store") is not is_public_log
    if route.calls:
        services.refuse(route.calls, "service-unavailable")
        assert documented_request(ask, route).headers["Cache-Control"] == "no-store"


def test_health_is_that_the_process_answers(ask: Browser, services: Services) -> None:
    services.connected = False
    assert ask("GET", "/healthz").status_code == 200


def test_readiness_is_that_the_broker_can_be_reached(ask: Browser, services: Services) -> None:
    assert (ask("GET", "/readyz").status_code, json.loads(ask("GET", "/readyz").data)["ready"]) == (200, True)
    services.connected = False
    assert (ask("GET", "/readyz").status_code, json.loads(ask("GET", "/readyz").data)["ready"]) == (503, False)


def test_metrics_are_not_told_where_people_ask(ask: Browser, application: Application) -> None:
    assert code_of(ask("GET", "/metrics")) == "not-found"
    told = Client(MetricsPage(application.metrics))
    assert code_of(told.get("/v1/me")) == "not-found"
    assert code_of(told.post("/metrics")) == "method-not-allowed"


def test_metrics_count_by_template_and_never_by_person(application: Application) -> None:
    ask = Browser(application)
    ask("GET", "/v1/audit/records/019abf2e-5c1d-7a40-9c52-7d1f0a3b6e11", headers=bearer("compliance"))
    ask("GET", "/somewhere/ada@example.org")
    ask("BREW", "/v1/me")
    text = Client(MetricsPage(application.metrics)).get("/metrics").text
    route = 'route="/v1/audit/records/{record_id}"'
    assert f'okacrm_http_requests_total{{method="GET",{route},status="200"}} 1.0' in text
    assert 'okacrm_http_requests_total{method="GET",route="unmatched",status="404"} 1.0' in text
    assert 'okacrm_http_requests_total{method="other",route="unmatched",status="405"} 1.0' in text
    assert f'okacrm_http_request_seconds_count{{method="GET",{route}}} 1.0' in text
    assert "okacrm_rpc_connected 1.0" in text
    assert "okacrm_http_requests_in_flight 0.0" in text
    assert "019abf2e" not in text
    assert "ada@" not in text


def test_the_log_says_what_was_asked_but_not_by_whom(ask: Browser) -> None:
    with structlog.testing.capture_logs() as lines:
        ask(
            "GET",
            "/v1/audit/records?q=actor:influencer:ada",
            headers=cookie("compliance") | {"X-Request-Id": "r-1", "User-Agent": "ada@example.org"},
        )
        ask("GET", "/v1/audit/records/019abf2e-5c1d-7a40-9c52-7d1f0a3b6e11", headers=bearer("compliance"))
        ask("POST", "/v1/accounts", json={"email": "ada@example.org", "password": "violet-harbour"})
        ask("GET", "/ada@example.org")
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("GET", "/v1/audit/records", 200),
        ("GET", "/v1/audit/records/{record_id}", 200),
        ("POST", "/v1/accounts", 422),
        ("GET", "unmatched", 404),
    ]
    assert lines[0]["request_id"] == "r-1"
    written = repr([line | {"request_id": ""} for line in lines])  # a random id may well spell a name
    for secret in ("ada", "violet", "019abf2e", *TOKENS.values()):
        assert secret not in written


def test_a_fault_is_logged_with_the_request_it_belongs_to(ask: Browser, services: Services) -> None:
    def fail(arguments: object) -> object:
        raise RuntimeError

    services.answers["identity.read_profile"] = fail
    with structlog.testing.capture_logs() as lines:
        assert code_of(ask("GET", "/v1/me", headers=bearer() | {"X-Request-Id": "r-9"})) == "internal"
    assert (lines[0]["event"], lines[0]["route"], lines[0]["request_id"]) == ("failed", "/v1/me", "r-9")


def test_a_method_that_nobody_knows_is_not_logged(ask: Browser) -> None:
    with structlog.testing.capture_logs() as lines:
        ask("ADALOVELACE", "/v1/me")
    assert [line["method"] for line in lines] == ["?"]
