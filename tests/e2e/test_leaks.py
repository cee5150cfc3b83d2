"""The leak prover: whatever route, session and id are put together, nobody learns of what is not theirs.

Everything here is made from the route tables, so that a new route is proven as soon as it is declared.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import pytest
import requests
from marshmallow import Schema

from deploy.local.platform import Platform
from gateway.access import VISITOR, ids_of, refusal
from gateway.openapi import example_of
from gateway.routes import ROUTES
from gateway.routing import Route
from shared.contracts.problems import PROBLEMS
from tests.e2e.conftest import Browser
from tests.e2e.foreign_ids import FOREIGN_IDS, Strangers
from tests.making import PASSWORD

MADE_GUARDS = ("influencer", "compliance", "staff")
"""Guards of which there can be sessions; the rest of the table is proven at the gateway alone."""
KINDS = (VISITOR, "forged", *MADE_GUARDS)
CHANGING_HEADERS = frozenset({"Date", "Idempotency-Key", "RateLimit"})
REQUEST_ID = {"X-Request-Id": "one-and-the-same"}

WITH_IDS = [(route, name) for route in ROUTES for name in ids_of(route)]
by_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
by_route_and_id = pytest.mark.parametrize(
    ("route", "name"), WITH_IDS, ids=[f"{route.operation_id}-{name}" for route, name in WITH_IDS]
)
by_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def sessions(platform: Platform, officer: Browser, okacrm: Any) -> Mapping[str, dict[str, str]]:
    """What a request carries in each kind of session."""
    influencer, member = Browser(platform.base_url), Browser(platform.base_url)
    influencer.register()
    member.email = f"member-{uuid.uuid4().hex[:8]}@okacrm.example"
    made = okacrm("staff", "create", member.email, "--role", "staff", "--password-stdin", stdin=PASSWORD + "\n")
    assert made.returncode == 0, made.stderr
    people = {"influencer": influencer, "compliance": Browser(platform.base_url), "staff": member}
    people["compliance"].email = officer.email
    carried = {
        guard: {"Authorization": f"Bearer {person.sign_in(guard, transport='bearer')['access_token']}"}
        for guard, person in people.items()
    }
    return carried | {VISITOR: {}, "forged": {"Authorization": f"Bearer {'f' * 43}"}}


@pytest.fixture(scope="module")
def strangers(platform: Platform, officer: Browser) -> Strangers:
    stranger = Browser(platform.base_url)
    stranger.register()
    stranger.sign_in()
    return Strangers(stranger, officer)


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
        route.method, platform.base_url + path, params=query, json=body, headers=headers | REQUEST_ID, timeout=30
    )


def _filled(schema: Schema, ids: Mapping[str, str]) -> dict[str, Any]:
    return example_of(schema, for_request=True) | {name: ids[name] for name in schema.fields.keys() & ids.keys()}


def bytes_of(answer: requests.Response) -> tuple[int, dict[str, str], bytes]:
    """All that somebody could tell two answers apart by."""
    headers = {name: value for name, value in answer.headers.items() if name not in CHANGING_HEADERS}
    return answer.status_code, headers, answer.content


def guard_of(kind: str) -> str:
    return VISITOR if kind == "forged" else kind


@by_route
@by_kind
def test_a_session_that_may_not_is_refused_alike_everywhere(
    platform: Platform, sessions: Mapping[str, dict[str, str]], route: Route, kind: str
) -> None:
    code = refusal(route, guard_of(kind))
    if code is None:
        return
    answer = send(platform, route, sessions[kind])
    kind_of_problem = PROBLEMS[code]
    assert answer.status_code == kind_of_problem.status
    assert answer.json() == {
        "type": f"https://okacrm.net/problems/{code}",
        "title": kind_of_problem.title,
        "status": kind_of_problem.status,
        "detail": kind_of_problem.advice,
        "instance": f"tag:okacrm.net,2026:request/{REQUEST_ID['X-Request-Id']}",
    }


@by_route_and_id
def test_every_id_has_a_maker_of_foreign_ones(route: Route, name: str) -> None:
    assert name in FOREIGN_IDS, (
        f"{route.method} {route.path} takes the id {name!r}, and tests/e2e/foreign_ids.py does not say how to come by "
        f"one that is somebody else's: add a ForeignId under that name"
    )


def test_no_maker_is_left_over() -> None:
    assert set(FOREIGN_IDS) == {name for _, name in WITH_IDS}


@by_route_and_id
@by_kind
def test_a_foreign_id_is_answered_like_one_that_does_not_exist(
    platform: Platform,
    sessions: Mapping[str, dict[str, str]],
    strangers: Strangers,
    route: Route,
    name: str,
    kind: str,
) -> None:
    foreign = FOREIGN_IDS[name]
    if kind in foreign.open_to:
        return
    asked = [send(platform, route, sessions[kind], {name: id}) for id in (foreign.make(strangers), str(uuid.uuid4()))]
    theirs, nobodys = map(bytes_of, asked)
    assert theirs == nobodys
    if name in route.parameters and refusal(route, guard_of(kind)) is None:
        assert (asked[0].status_code, asked[0].json()["type"]) == (404, "https://okacrm.net/problems/not-found")


@by_route_and_id
def test_an_id_that_cannot_be_one_is_answered_like_one_that_does_not_exist(
    platform: Platform, sessions: Mapping[str, dict[str, str]], route: Route, name: str
) -> None:
    if name not in route.parameters:
        return
    for kind in KINDS:
        shapeless, unknown = (
            bytes_of(send(platform, route, sessions[kind], {name: id})) for id in ("1", str(uuid.uuid4()))
        )
        assert shapeless == unknown
