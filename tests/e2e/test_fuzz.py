"""The OpenAPI document taken at its word by schemathesis: whatever is sent, the platform answers as it says.

The requests are the same in every run. `OKACRM_FUZZ_EXAMPLES` makes more of them per operation.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from pyotp import TOTP
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from deploy.local.platform import Platform
from gateway.cookies import Cookies
from gateway.openapi import openapi_document
from gateway.routes import ROUTES
from gateway.routes.me import PICTURES
from gateway.routing import Route, SessionStep
from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import GUARDS
from tests.e2e.conftest import Browser
from tests.e2e.foreign_ids import FOREIGN_IDS, Strangers
from tests.e2e.mailbox import verify_address
from tests.making import PASSWORD

EXAMPLES = int(os.environ.get("OKACRM_FUZZ_EXAMPLES", "4"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
ROUTE_OF = {(route.method, route.template): route for route in ROUTES}

schema = schemathesis.openapi.from_dict(openapi_document(ROUTES, Cookies(local=True)))
schema.config.checks.negative_data_rejection.expected_statuses = [str(status) for status in range(400, 500)]


ENDING_SESSIONS = (SessionStep.CLOSES, SessionStep.RENEWS)
ENDING_OTHER_SESSIONS = ("identity.revoke_other_sessions", "identity.change_password")
ENDING_ACCOUNTS = "identity.deactivate_own_account"
CHANGING_PROOFS = "Second factor"
"""The tag of what changes how people show who they are."""

Turns = Mapping[str, Iterator[tuple[str, bool]]]
"""By operation: the guard in which the next request is asked, and whether it is to have known values."""


@dataclass(frozen=True)
class _Person:
    """Who gives wrong proofs is slowed down, and who leaves is gone: nobody else is to suffer from it."""

    guard: str
    guesses: bool
    leaves: bool


@dataclass(frozen=True)
class _Session:
    """One of a person's sessions; those that an operation ends are its own."""

    person: _Person
    stepped_up: bool
    ended_by: str


class People:
    """Somebody of each guard, signed in, as long as what they ask does not end that."""

    def __init__(self, somebody: Callable[[str], Browser]) -> None:
        self._somebody = somebody
        self._people: dict[_Person, Browser] = {}
        self._carried: dict[_Session, dict[str, str]] = {}

    def carried(self, route: Route, guard: str) -> dict[str, str]:
        """What a request of this guard carries at a route."""
        person, session = self._person(route, guard), self._session(route, guard)
        if person not in self._people:
            self._people[person] = self._somebody(guard)
        if session not in self._carried:
            self._carried[session] = self._people[person].bearer(guard, stepped_up=route.step_up)
        return self._carried[session]

    def let_go(self, route: Route, guard: str) -> None:
        """Forgets what is worth nothing after this was done."""
        if route.session in ENDING_SESSIONS:
            del self._carried[self._session(route, guard)]
        if route.calls == ENDING_ACCOUNTS:
            del self._people[self._person(route, guard)]
        if route.calls in ENDING_OTHER_SESSIONS:
            kept = self._session(route, guard)
            ended = [each for each in self._carried if each.person == kept.person and each != kept]
            for each in ended:
                del self._carried[each]

    def _person(self, route: Route, guard: str) -> _Person:
        return _Person(guard, guesses=route.tells_client, leaves=route.calls == ENDING_ACCOUNTS)

    def _session(self, route: Route, guard: str) -> _Session:
        ended_by = route.operation_id if route.session in ENDING_SESSIONS else ""
        return _Session(self._person(route, guard), route.step_up, ended_by)


@pytest.fixture(scope="module")
def people(somebody: Callable[[str], Browser]) -> People:
    return People(somebody)


@pytest.fixture(scope="module")
def known(
    platform: Platform, officer: Browser, okacrm: Callable[..., subprocess.CompletedProcess[str]]
) -> Mapping[str, str]:
    """By name, what nobody comes upon by chance: ids that exist, passwords, and the end of an API token."""
    stranger = Browser(platform.base_url)
    stranger.register()
    stranger.sign_in()
    verify_address(platform, stranger)
    strangers = Strangers(stranger, officer, okacrm)
    ids = {name: foreign.make(strangers) for name, foreign in FOREIGN_IDS.items()}
    passwords = dict.fromkeys(("password", "current_password", "new_password"), PASSWORD)
    return ids | passwords | {"expires_at": rfc3339(datetime.now(UTC) + timedelta(days=30))}


@pytest.fixture(scope="module")
def turns() -> Turns:
    return {route.operation_id: itertools.cycle(itertools.product(askers(route), (False, True))) for route in ROUTES}


def askers(route: Route) -> list[str]:
    """The guards that may ask, or nobody in particular.

    What ends accounts, or changes how people get in, is asked by those of whom there can be many.
    """
    if route.calls == ENDING_ACCOUNTS or route.tag == CHANGING_PROOFS:
        return ["influencer"]
    return [guard for guard in GUARDS if guard in route.guards] or [""]


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_knows(
    case: schemathesis.Case, platform: Platform, people: People, known: Mapping[str, str], turns: Turns
) -> None:
    route = ROUTE_OF[case.operation.method.upper(), case.operation.path]
    guard, with_known = next(turns[route.operation_id])
    if with_known and is_positive(case):
        for values in (case.path_parameters, case.query, case.body):
            if isinstance(values, dict):
                values.update({name: known[name] for name in values.keys() & known.keys()})
    headers = people.carried(route, guard) if guard else {}
    answer = case.call_and_validate(base_url=platform.base_url, headers=headers, checks=CHECKS, timeout=30)
    if guard and answer.status_code == route.status:
        people.let_go(route, guard)


@dataclass(frozen=True)
class Prepared:
    """The body of a request that succeeds."""

    body: Any = None
    media_type: str = "application/json"


def with_a_file(person: Browser) -> Prepared:
    return Prepared(b64decode(PICTURES.example), PICTURES.media_types[0])


def with_a_proof(person: Browser) -> Prepared:
    return Prepared({"password": PASSWORD})


def with_both_passwords(person: Browser) -> Prepared:
    return Prepared({"current_password": PASSWORD, "new_password": "violet-harbour-lantern-42"})


def stepped_up(person: Browser) -> Prepared:
    person.step_up()
    return Prepared()


def with_a_code_of_a_new_authenticator(person: Browser) -> Prepared:
    person.step_up()
    secret = person.done("POST", "/me/authenticator")["secret"]
    return Prepared({"one_time_code": TOTP(secret).now()})


def enrolled(person: Browser) -> Prepared:
    person.enrol()
    return Prepared()


PREPARATIONS: Mapping[str, Callable[[Browser], Prepared]] = {
    "PUT /v1/me/image": with_a_file,
    "POST /v1/session/step-up": with_a_proof,
    "PUT /v1/me/password": with_both_passwords,
    "POST /v1/me/authenticator": stepped_up,
    "PUT /v1/me/second-factor": with_a_code_of_a_new_authenticator,
    "POST /v1/me/recovery-codes": enrolled,
    "DELETE /v1/me/second-factor": enrolled,
}


@pytest.mark.parametrize("asked", PREPARATIONS)
def test_what_a_schema_alone_does_not_lead_to_succeeds_as_the_document_says(influencer: Browser, asked: str) -> None:
    method, path = asked.split()
    prepared = PREPARATIONS[asked](influencer)
    body = {} if prepared.body is None else {"body": prepared.body, "media_type": prepared.media_type}
    case = schema[path][method].Case(**body)
    answer = case.call_and_validate(base_url=influencer.base_url, session=influencer.http, checks=CHECKS, timeout=30)
    assert answer.status_code == ROUTE_OF[method, path].status


def is_positive(case: schemathesis.Case) -> bool:
    """Whether it was made to be as the document asks for."""
    return case.meta is None or case.meta.generation.mode.is_positive
