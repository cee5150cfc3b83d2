"""Every route in every kind of session: it is either for that guard, or refused alike, before anything is done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.access import VISITOR, access_page, refusal
from gateway.routes import ROUTES
from gateway.routing import Route
from shared.contracts.problems import PROBLEMS
from shared.contracts.vocabulary import GUARDS
from tests.unit.gateway.playing import Browser, Services, bearer, code_of, cookie, csrf, documented_request

PAGE = Path(__file__).parents[3] / "docs" / "access.md"
SESSIONS = [(VISITOR, {})]
SESSIONS += [(guard, bearer(guard)) for guard in GUARDS]
SESSIONS += [(guard, cookie(guard) | csrf(guard)) for guard in GUARDS]

by_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
by_session = pytest.mark.parametrize(
    ("guard", "headers"),
    SESSIONS,
    ids=[f"{guard} by {'cookie' if 'Cookie' in headers else 'bearer'}" for guard, headers in SESSIONS],
)


@by_route
@by_session
def test_a_route_is_for_its_guards_and_refuses_all_others_alike(
    ask: Browser, services: Services, route: Route, guard: str, headers: dict[str, str]
) -> None:
    named = headers | {"X-Request-Id": "the-same"}
    answer = documented_request(ask, route, named)
    code = refusal(route, guard)
    if code is None:
        assert answer.status_code == route.status, answer.text
        return
    assert (answer.status_code, code_of(answer)) == (PROBLEMS[code].status, code)
    assert {call.name for call in services.calls} <= {"identity.resolve_session", "identity.report_refusal"}
    assert json.loads(answer.data) == {
        "type": f"https://okacrm.net/problems/{code}",
        "title": PROBLEMS[code].title,
        "status": PROBLEMS[code].status,
        "detail": PROBLEMS[code].advice,
        "instance": "tag:okacrm.net,2026:request/the-same",
    }


def test_the_page_of_it_is_up_to_date() -> None:
    assert PAGE.read_text() == access_page(ROUTES), "docs/access.md is out of date: make access"
