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
from io import BytesIO
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
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
from gateway.routes.identity.me import PICTURES
from gateway.routing import Route, SessionStep
from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import GUARDS
from tests.e2e.conftest import Browser
from tests.e2e.foreign_ids import FOREIGN_IDS, Strangers
from tests.e2e.mailbox import verify_address
from tests.e2e.test_disclosures import disclosure_body, recipient_body
from tests.making import PASSWORD, eventually
from tests.mutating import altered, altered_file

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

    def __init__(self, somebody: Callable[[str], Browser], base_url: str) -> None:
        self.base_url = base_url
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
def people(somebody: Callable[[str], Browser], platform: Platform) -> People:
    return People(somebody, platform.base_url)


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


def with_a_code(person: Browser) -> Prepared:
    return Prepared({"one_time_code": next_code(person.enrol())})


def with_a_code_beside_the_password(person: Browser) -> Prepared:
    code = next_code(person.enrol())
    return Prepared({"email": person.email, "password": PASSWORD, "guard": "influencer", "one_time_code": code})


def with_a_recovery_code_beside_the_password(person: Browser) -> Prepared:
    person.enrol()
    code = person.recovery_codes.pop()
    return Prepared({"email": person.email, "password": PASSWORD, "guard": "influencer", "one_time_code": code})


def next_code(secret: str) -> str:
    """The code behind the one that was just used, which counts already: each counts once."""
    return TOTP(secret).at(datetime.now(UTC), counter_offset=1)


def picture(media_type: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", (40, 30), "teal").save(file, media_type.partition("/")[2])
    return file.getvalue()


def in_the_form(media_type: str) -> Callable[[Browser], Prepared]:
    return lambda person: Prepared(picture(media_type), media_type)


PREPARATIONS: Mapping[str, Callable[[Browser], Prepared]] = {
    "PUT /v1/me/image": with_a_file,
    **{f"PUT /v1/me/image as {media_type}": in_the_form(media_type) for media_type in PICTURES.media_types},
    "POST /v1/session/step-up": with_a_proof,
    "POST /v1/session/step-up by a code": with_a_code,
    "POST /v1/sessions with a code": with_a_code_beside_the_password,
    "POST /v1/sessions with a recovery code": with_a_recovery_code_beside_the_password,
    "PUT /v1/me/password": with_both_passwords,
    "POST /v1/me/authenticator": stepped_up,
    "PUT /v1/me/second-factor": with_a_code_of_a_new_authenticator,
    "POST /v1/me/recovery-codes": enrolled,
    "DELETE /v1/me/second-factor": enrolled,
}


@pytest.mark.parametrize("asked", PREPARATIONS)
def test_what_a_schema_alone_does_not_lead_to_succeeds_as_the_document_says(influencer: Browser, asked: str) -> None:
    method, path = asked.split()[:2]
    prepared = PREPARATIONS[asked](influencer)
    body = {} if prepared.body is None else {"body": prepared.body, "media_type": prepared.media_type}
    case = schema[path][method].Case(**body)
    answer = case.call_and_validate(base_url=influencer.base_url, session=influencer.http, checks=CHECKS, timeout=30)
    assert answer.status_code == ROUTE_OF[method, path].status


def is_positive(case: schemathesis.Case) -> bool:
    """Whether it was made to be as the document asks for."""
    return case.meta is None or case.meta.generation.mode.is_positive


@dataclass(frozen=True)
class Page:
    """The first page of a list, and where it goes on."""

    url: str
    query: Mapping[str, Any]
    headers: Mapping[str, str]
    cursor: str

    def at(self, cursor: str) -> requests.Response:
        name = "after" if "/feeds/" in self.url else "cursor"
        return requests.get(self.url, {**self.query, name: cursor}, headers=self.headers, timeout=30)


OF_PEOPLE = ("/v1/me/disclosures", "/v1/me/inquiries", "/v1/workspaces")
LISTS = (
    *("/v1/audit/records", "/v1/audit/consents", "/v1/audit/exports", "/v1/audit/recipients", "/v1/audit/disclosures"),
    *OF_PEOPLE,
    *("/v1/staff/inquiries", "/v1/security/signals", "/v1/feeds/identity"),
)


@pytest.fixture(scope="module")
def first_pages(
    platform: Platform, somebody: Callable[[str], Browser], okacrm: Callable[..., subprocess.CompletedProcess[str]]
) -> Mapping[str, Page]:
    """The first page of each list, of people who have enough for a second one."""
    officer, person, other = somebody("compliance"), somebody("influencer"), somebody("influencer")
    for curious in (person, other):
        curious.sign_in()
        curious.problem(403, "GET", "/audit/records")
    for purpose in ("product_news", "usage_analytics"):
        person.done("POST", "/workspaces", {"name": "Studio Hopper"})
        person.done("POST", "/me/inquiries", {"kind": "legal", "text": "Who may use my pictures?"})
        person.done("PUT", f"/me/consents/{purpose}")
        officer.done("POST", "/audit/exports", {"form": "ndjson"})
        recipient = officer.done("POST", "/audit/recipients", recipient_body())["recipient_id"]
        body = disclosure_body(recipient, person.account_id)
        eventually(lambda body=body: officer.request("POST", "/audit/disclosures", body).ok)
    team = okacrm("service-tokens", "create", "cursor-fuzz", "--feeds", "identity").stdout.split()[-1]
    of_person, of_officer = person.bearer("influencer"), officer.bearer("compliance")

    def first_page(path: str) -> Page | None:
        headers = of_person if path in OF_PEOPLE else of_officer
        headers = {"Authorization": f"Bearer {team}"} if "/feeds/" in path else headers
        query = {"limit": 1} | ({"subject": person.account_id} if path == "/v1/audit/consents" else {})
        answer = requests.get(platform.base_url + path, query, headers=headers, timeout=30)
        assert answer.ok, answer.text
        cursor = answer.json()["next_cursor"]
        return Page(platform.base_url + path, query, headers, cursor) if cursor else None

    return {path: eventually(lambda path=path: first_page(path)) for path in LISTS}


of_many_examples = settings(
    max_examples=10 * EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("path", LISTS)
def test_a_cursor_as_it_was_given_leads_on(first_pages: Mapping[str, Page], path: str) -> None:
    answer = first_pages[path].at(first_pages[path].cursor)
    assert answer.status_code == 200, answer.text
    assert answer.json().get("items", answer.json().get("history"))


@pytest.mark.parametrize("path", LISTS)
@of_many_examples
@given(data=st.data())
def test_a_cursor_that_was_given_and_altered_is_refused(
    first_pages: Mapping[str, Page], path: str, data: st.DataObject
) -> None:
    page = first_pages[path]
    answer = page.at(data.draw(altered(page.cursor)))
    assert 400 <= answer.status_code < 500, answer.text
    expected = ("validation-failed", "feed-cursor-unknown") if "/feeds/" in path else ("cursor-invalid",)
    assert answer.json()["type"].rpartition("/")[2] in expected


@of_many_examples
@given(data=st.data(), media_type=st.sampled_from(PICTURES.media_types))
def test_a_picture_that_was_altered_is_taken_or_refused(people: People, data: st.DataObject, media_type: str) -> None:
    route = ROUTE_OF["PUT", "/v1/me/image"]
    case = schema["/v1/me/image"]["PUT"].Case(body=data.draw(altered_file(picture(media_type))), media_type=media_type)
    headers = people.carried(route, "influencer")
    answer = case.call_and_validate(base_url=people.base_url, headers=headers, checks=CHECKS, timeout=30)
    assert answer.status_code in (200, 422)
