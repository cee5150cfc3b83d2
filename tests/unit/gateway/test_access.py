"""Every route and everybody who could ask: it is either for them, or refused alike, before anything is done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.access import Caller, access_page, refusal
from gateway.routes import ROUTES
from gateway.routing import Route
from shared.contracts.problems import PROBLEMS
from shared.contracts.services import PUBLISHERS
from shared.contracts.vocabulary import GUARDS, TEAM, TOKEN_SCOPES
from tests.unit.gateway.playing import Browser, Services, bearer, code_of, cookie, csrf, documented_request

PAGE = Path(__file__).parents[3] / "docs" / "access.md"
SESSIONS = [Caller(guard, stepped_up) for guard in GUARDS for stepped_up in (False, True)]
SESSIONS += [Caller(guard, stepped_up=True, second_factor=False) for guard in GUARDS]
PROGRAMS = [Caller(guard, scopes=frozenset(TOKEN_SCOPES)) for guard in GUARDS]
PROGRAMS += [Caller(guard, scopes=frozenset(TOKEN_SCOPES), second_factor=False) for guard in GUARDS]
PROGRAMS += [Caller("compliance", scopes=frozenset({scope})) for scope in TOKEN_SCOPES]
PROGRAMS += [Caller(TEAM, scopes=frozenset({f"feed:{publisher}"})) for publisher in PUBLISHERS]
PRESENTED = [(Caller(), {})]
PRESENTED += [(caller, bearer(caller.guard)) for caller in (*SESSIONS, *PROGRAMS)]
PRESENTED += [(caller, cookie(caller.guard) | csrf(caller.guard)) for caller in SESSIONS]


def name_of(presented: tuple[Caller, dict[str, str]]) -> str:
    caller, headers = presented
    parts = [caller.guard, *(["stepped up"] if caller.stepped_up else []), *sorted(caller.scopes or ())]
    parts += [] if caller.second_factor else ["without a second factor"]
    return ", ".join(parts) + (" by cookie" if "Cookie" in headers else "")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
def test_a_route_is_for_its_guards_and_refuses_all_others_alike(ask: Browser, services: Services, route: Route) -> None:
    for presented in PRESENTED:
        caller, headers = presented
        who = name_of(presented)
        services.calls.clear()
        services.let_in(caller)
        answer = documented_request(ask, route, headers | {"X-Request-Id": "the-same"})
        code = refusal(route, caller)
        if code is None:
            assert answer.status_code == route.status, f"{who}: {answer.text}"
            continue
        assert (answer.status_code, code_of(answer)) == (PROBLEMS[code].status, code), who
        assert {call.name for call in services.calls} <= {"identity.resolve_session", "identity.report_refusal"}, who
        assert json.loads(answer.data) == {
            "type": f"https://okacrm.net/problems/{code}",
            "title": PROBLEMS[code].title,
            "status": PROBLEMS[code].status,
            "detail": PROBLEMS[code].advice,
            "instance": "tag:okacrm.net,2026:request/the-same",
        }, who


def test_the_page_of_it_is_up_to_date() -> None:
    assert PAGE.read_text() == access_page(ROUTES), "docs/access.md is out of date: make access"
