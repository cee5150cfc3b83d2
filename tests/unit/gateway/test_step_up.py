"""What is sensitive is refused in a session whose user did not show a moment ago that they are the person."""

import pytest

from gateway.access import Caller
from gateway.routes import ROUTES
from gateway.routing import Route
from tests.unit.gateway.playing import EXPIRES, Browser, Services, bearer, code_of, documented_request

SENSITIVE = [route for route in ROUTES if route.step_up]
by_sensitive_route = pytest.mark.parametrize("route", SENSITIVE, ids=lambda route: route.operation_id)


def proof_counts_until(services: Services, moment: str | None) -> None:
    for session in services.sessions.values():
        session["stepped_up_until"] = moment  # type: ignore[assignment]


@by_sensitive_route
@pytest.mark.parametrize("moment", [None, "2026-01-01T00:00:00.000000Z"])
def test_what_is_sensitive_is_refused_without_a_fresh_proof(
    ask: Browser, services: Services, route: Route, moment: str | None
) -> None:
    proof_counts_until(services, moment)
    assert code_of(documented_request(ask, route)) == "step-up-required"
    assert services.to(route.calls) == []


@by_sensitive_route
def test_a_proof_that_was_given_elsewhere_a_moment_ago_counts(ask: Browser, services: Services, route: Route) -> None:
    proof_counts_until(services, None)
    guard = "influencer" if "influencer" in route.guards else "staff"
    ask("GET", "/v1/session", headers=bearer(guard))
    proof_counts_until(services, EXPIRES)
    assert documented_request(ask, route).status_code == route.status


def test_a_second_factor_that_was_shown_a_moment_ago_counts(ask: Browser, services: Services) -> None:
    services.let_in(Caller("staff", second_factor=False))
    assert code_of(ask("GET", "/v1/security/signals", headers=bearer("staff"))) == "second-factor-missing"
    services.let_in(Caller("staff"))
    assert ask("GET", "/v1/security/signals", headers=bearer("staff")).status_code == 200


def test_a_proof_counts_at_once(ask: Browser, services: Services) -> None:
    ask("GET", "/v1/session", headers=bearer())
    asked = len(services.to("identity.resolve_session"))
    ask("POST", "/v1/session/step-up", json={"password": "violet-harbour-lantern-42"}, headers=bearer())
    ask("GET", "/v1/session", headers=bearer())
    assert len(services.to("identity.resolve_session")) == asked + 1


@pytest.mark.parametrize("proof", [{}, {"password": "violet-harbour-lantern-42", "one_time_code": "492039"}])
def test_a_proof_is_one_thing(ask: Browser, services: Services, proof: dict[str, str]) -> None:
    assert code_of(ask("POST", "/v1/session/step-up", json=proof, headers=bearer())) == "validation-failed"
    assert services.to("identity.step_up") == []
