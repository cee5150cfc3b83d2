"""The leak prover: whatever route, session and id are put together, nobody learns of what is not theirs.

Everything here is made from the route tables, so that a new route is proven as soon as it is declared.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import requests
from marshmallow import Schema

from deploy.local.platform import Platform
from gateway.access import Caller, ids_of, refusal
from gateway.openapi import example_of
from gateway.routes import ROUTES
from gateway.routing import Route
from shared.contracts.problems import PROBLEMS
from shared.contracts.vocabulary import GUARDS, STAFF_GUARDS, TEAM, TOKEN_SCOPES
from tests.e2e.conftest import Browser
from tests.e2e.foreign_ids import FOREIGN_IDS, NOBODYS, Strangers
from tests.e2e.mailbox import verify_address
from tests.e2e.test_tokens import token_request

SESSIONS = {guard: Caller(guard) for guard in GUARDS}
STEPPED_UP = {f"{guard}, stepped up": Caller(guard, stepped_up=True) for guard in GUARDS}
WITHOUT_SECOND_FACTOR = {
    f"{guard}, without a second factor": Caller(guard, stepped_up=True, second_factor=False) for guard in STAFF_GUARDS
}
PROGRAMS = {f"program of {guard}": Caller(guard, scopes=frozenset(TOKEN_SCOPES)) for guard in GUARDS}
NARROW_PROGRAMS = {
    f"program of {guard} that may {scope}": Caller(guard, scopes=frozenset({scope}))
    for guard, scope in (("influencer", "consents:read"), ("compliance", "profile:read"))
}
TEAMS = {"program of a team": Caller(TEAM, scopes=frozenset({"feed:identity"}))}
CALLERS = {
    "no session": Caller(),
    "forged": Caller(),
    **SESSIONS,
    **STEPPED_UP,
    **WITHOUT_SECOND_FACTOR,
    **PROGRAMS,
    **NARROW_PROGRAMS,
    **TEAMS,
}
CHANGING_HEADERS = frozenset({"Date", "Idempotency-Key", "RateLimit"})
REQUEST_ID = {"X-Request-Id": "one-and-the-same"}

Carried = Mapping[str, Mapping[str, str]]
"""What a request carries, by who asks."""

WITH_IDS = [(route, name) for route in ROUTES for name in ids_of(route)]
WITH_IDS_IN_PATHS = [(route, name) for route, name in WITH_IDS if name in route.parameters]
WITH_PARAMETERS = [(route, name) for route in ROUTES for name in route.parameters]


def named(parameter: tuple[Route, str]) -> str:
    route, name = parameter
    return f"{route.operation_id}-{name}"


by_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
by_route_and_id = pytest.mark.parametrize(("route", "name"), WITH_IDS, ids=map(named, WITH_IDS))


@pytest.fixture(scope="module")
def carried(newcomer: Callable[[str], Browser], okacrm: Callable[..., subprocess.CompletedProcess[str]]) -> Carried:
    people = {guard: newcomer(guard) for guard in GUARDS}
    unproven = {
        who: people[caller.guard].bearer(caller.guard, stepped_up=True) for who, caller in WITHOUT_SECOND_FACTOR.items()
    }
    for guard in STAFF_GUARDS:
        people[guard].sign_in(guard)
        people[guard].enrol()

    def presented(caller: Caller) -> Mapping[str, str]:
        program = caller.scopes is not None
        session = people[caller.guard].bearer(caller.guard, stepped_up=caller.stepped_up or program)
        if not program:
            return session
        request = token_request(*sorted(caller.scopes or ()))
        issued = people[caller.guard].done("POST", "/me/tokens", request, headers=session)
        return {"Authorization": f"Bearer {issued['token']}"}

    team = okacrm("service-tokens", "create", "leak-prover", "--feeds", "identity").stdout.split()[-1]
    known = {
        "no session": {},
        "forged": {"Authorization": f"Bearer {'f' * 43}"},
        "program of a team": {"Authorization": f"Bearer {team}"},
        **unproven,
    }
    return known | {who: presented(caller) for who, caller in CALLERS.items() if who not in known}


@pytest.fixture(scope="module")
def foreign_ids(
    platform: Platform, officer: Browser, okacrm: Callable[..., subprocess.CompletedProcess[str]]
) -> Mapping[str, str]:
    stranger = Browser(platform.base_url)
    stranger.register()
    stranger.sign_in()
    verify_address(platform, stranger)
    strangers = Strangers(stranger, officer, okacrm)
    return {name: foreign.make(strangers) for name, foreign in FOREIGN_IDS.items()}


def send(
    platform: Platform, route: Route, headers: Mapping[str, str], ids: Mapping[str, str] | None = None
) -> requests.Response:
    """The documented request of a route, with these ids in place of the documented ones."""
    ids = ids or {}
    path = route.template
    for name, field in route.parameters.items():
        path = path.replace(f"{{{name}}}", str(ids.get(name, field.metadata["example"])))
    query = _filled(route.query(), ids)
    body = _filled(route.body(), ids) if route.body else None
    return requests.request(
        route.method, platform.base_url + path, params=query, json=body, headers={**headers, **REQUEST_ID}, timeout=30
    )


def _filled(schema: Schema, ids: Mapping[str, str]) -> dict[str, Any]:
    return example_of(schema, for_request=True) | {name: ids[name] for name in schema.fields.keys() & ids.keys()}


def bytes_of(answer: requests.Response) -> tuple[int, dict[str, str], bytes]:
    """All that somebody could tell two answers apart by."""
    headers = {name: value for name, value in answer.headers.items() if name not in CHANGING_HEADERS}
    return answer.status_code, headers, answer.content


@by_route
def test_a_session_that_may_not_is_refused_alike_everywhere(platform: Platform, carried: Carried, route: Route) -> None:
    for who, caller in CALLERS.items():
        code = refusal(route, caller)
        if code is None:
            continue
        answer = send(platform, route, carried[who])
        kind_of_problem = PROBLEMS[code]
        assert answer.status_code == kind_of_problem.status, who
        assert answer.json() == {
            "type": f"https://okacrm.net/problems/{code}",
            "title": kind_of_problem.title,
            "status": kind_of_problem.status,
            "detail": kind_of_problem.advice,
            "instance": f"tag:okacrm.net,2026:request/{REQUEST_ID['X-Request-Id']}",
        }, who


@by_route_and_id
def test_every_id_has_a_maker_of_foreign_ones(route: Route, name: str) -> None:
    assert name in FOREIGN_IDS, (
        f"{route.method} {route.path} takes the id {name!r}, and tests/e2e/foreign_ids.py does not say how to come by "
        f"one that is somebody else's: add a ForeignId under that name"
    )


@pytest.mark.parametrize(("route", "name"), WITH_PARAMETERS, ids=map(named, WITH_PARAMETERS))
def test_a_parameter_of_a_path_that_is_no_id_can_be_nobodys(route: Route, name: str) -> None:
    assert name in ids_of(route) or name in NOBODYS, (
        f"{route.method} {route.path} takes {name!r}, which is not declared as an Id: declare it as one, or say in "
        f"tests/e2e/foreign_ids.py why none of its values can be somebody else's"
    )


def test_nothing_is_left_over_of_what_is_said_about_parameters() -> None:
    assert set(FOREIGN_IDS) == {name for _, name in WITH_IDS}
    assert set(NOBODYS) == {name for route, name in WITH_PARAMETERS if name not in ids_of(route)}


@by_route_and_id
def test_a_foreign_id_is_answered_like_one_that_does_not_exist(
    platform: Platform, carried: Carried, foreign_ids: Mapping[str, str], route: Route, name: str
) -> None:
    for who, caller in CALLERS.items():
        if caller.guard in FOREIGN_IDS[name].open_to and refusal(route, caller) is None:
            continue
        theirs, nobodys = (
            bytes_of(send(platform, route, carried[who], {name: id})) for id in (foreign_ids[name], str(uuid.uuid4()))
        )
        assert theirs == nobodys, who


@pytest.mark.parametrize(("route", "name"), WITH_IDS_IN_PATHS, ids=map(named, WITH_IDS_IN_PATHS))
def test_an_id_that_cannot_be_one_is_answered_like_one_that_does_not_exist(
    platform: Platform, carried: Carried, route: Route, name: str
) -> None:
    for who, caller in CALLERS.items():
        shapeless, unknown = (send(platform, route, carried[who], {name: id}) for id in ("1", str(uuid.uuid4())))
        assert bytes_of(shapeless) == bytes_of(unknown), who
        if refusal(route, caller) is None:
            assert (unknown.status_code, unknown.json()["type"]) == (404, "https://okacrm.net/problems/not-found"), who
