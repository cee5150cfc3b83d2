"""A cursor is worth something for the list and the caller that it was given to, and for nobody else anywhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.application import Application
from gateway.cursors import Cursors, question_of
from gateway.perimeter import Perimeter
from gateway.routes import ROUTES
from gateway.routing import Route
from gateway.schemas import LONGEST_CURSOR, Cursor, Id, NextCursor
from shared.bus.actors import Actor
from shared.contracts.problems import Problem
from tests.unit.gateway.playing import CURSORS, TOKENS, Browser, Services, bearer, code_of, services_by_example

LISTS = [route for route in ROUTES if route.lists]
PLACE = "42.1795512600000000.41"
"""The longest of what services say."""
ANOTHER_ID = "019abf2e-5c1d-7a40-9c52-7d1f0a3b6e12"
QUESTION = question_of("/v1/audit/records", {"q": "type:identity.consent_granted"}, Actor("compliance", "1"))

by_list = pytest.mark.parametrize("route", LISTS, ids=lambda route: route.operation_id)


class Reader:
    """Reads a list page by page, from services that always say where it goes on."""

    def __init__(self, route: Route, application: Application, services: Services) -> None:
        self._route, self._ask, self._services = route, Browser(application), services
        documented = services.answers[route.calls]
        services.answers[route.calls] = lambda arguments: {**documented(arguments), "next_cursor": PLACE}

    def page(self, cursor: str | None = None, guard: str = "", **query: Any) -> Any:
        path = self._route.template
        for name, parameter in self._route.parameters.items():
            path = path.replace(f"{{{name}}}", query.pop(name, str(parameter.metadata["example"])))
        required = {
            field.data_key or name: field.metadata["example"]
            for name, field in self._route.query().fields.items()
            if field.required
        }
        asked = required | query | ({} if cursor is None else {"cursor": cursor})
        return self._ask("GET", path, query_string=asked, headers=bearer(guard or self.guards[0]))

    def cursor(self, **query: Any) -> str:
        answer = self.page(**query)
        assert answer.status_code == 200, answer.text
        cursor: str = answer.json["next_cursor"]
        return cursor

    @property
    def guards(self) -> list[str]:
        return [guard for guard in TOKENS if guard in self._route.guards]

    @property
    def heard(self) -> Any:
        """The cursor that the service was asked with last."""
        return self._services.to(self._route.calls)[-1].arguments["cursor"]


@pytest.fixture
def reader(route: Route) -> Reader:
    services = services_by_example()
    return Reader(route, Application(services, Perimeter(), CURSORS), services)


@by_list
def test_it_leads_on_and_the_service_sees_its_own_key(reader: Reader) -> None:
    cursor = reader.cursor()
    assert PLACE not in cursor
    assert len(cursor) <= LONGEST_CURSOR
    assert reader.page(cursor).status_code == 200
    assert reader.heard == PLACE


@by_list
def test_a_page_may_be_of_another_length(reader: Reader) -> None:
    assert reader.page(reader.cursor(limit=1), limit=2).status_code == 200


@by_list
@pytest.mark.parametrize(
    "cursor", ["99999.99998", "9223372036854775808.1", "99999.602", PLACE, "", "x", "ü", "A" * 3000]
)
def test_nobody_makes_one_up(reader: Reader, cursor: str) -> None:
    answer = reader.page(cursor)
    assert (answer.status_code, code_of(answer)) == (422, "cursor-invalid")


@by_list
def test_each_letter_of_it_counts(reader: Reader) -> None:
    cursor = reader.cursor()
    changed = [f"{cursor[:place]}{'B' if cursor[place] == 'A' else 'A'}{cursor[place + 1 :]}" for place in (0, 9, -1)]
    for other in (*changed, cursor[:-1], cursor + "A", cursor + "=", f" {cursor}", cursor.swapcase()):
        if other != cursor:
            assert code_of(reader.page(other)) == "cursor-invalid"


@by_list
def test_it_is_for_whoever_it_was_given_to(reader: Reader) -> None:
    cursor = reader.cursor()
    for guard in reader.guards[1:]:
        assert code_of(reader.page(cursor, guard)) == "cursor-invalid"


@by_list
def test_it_is_for_the_question_that_was_asked(reader: Reader, route: Route) -> None:
    cursor = reader.cursor()
    fields = {**route.parameters, **route.query().fields}
    others = {
        field.data_key or name: ANOTHER_ID if isinstance(field, Id) else field.metadata["example"]
        for name, field in fields.items()
        if name not in ("cursor", "limit")
    }
    for name, value in others.items():
        assert code_of(reader.page(cursor, **{name: value})) == "cursor-invalid", name


@by_list
def test_it_is_of_no_other_list(reader: Reader) -> None:
    foreign = CURSORS.seal(PLACE, question_of("/v1/other", {}, Actor("influencer", "1")))
    assert code_of(reader.page(foreign)) == "cursor-invalid"


def test_every_list_has_cursors_that_are_sealed() -> None:
    for route in ROUTES:
        asked = route.query().fields.get("cursor")
        told = route.answers().fields.get("next_cursor") if route.answers else None
        if route.follows:  # the cursor of a feed is its reader's own, and is kept for years
            continue
        assert (asked is None) == (told is None), route.operation_id
        assert asked is None or (isinstance(asked, Cursor) and isinstance(told, NextCursor)), route.operation_id
    assert len(LISTS) > 15


def test_every_gateway_with_the_key_opens_it_and_no_other() -> None:
    cursor = Cursors(bytes(32)).seal(PLACE, QUESTION)
    assert Cursors(bytes(32)).open(cursor, QUESTION) == PLACE
    with pytest.raises(Problem, match="cursor-invalid"):
        Cursors(bytes(31) + b"1").open(cursor, QUESTION)


@given(st.text(max_size=120))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="cursor-invalid"):
        CURSORS.open(text, QUESTION)


@given(st.text("0123456789.-abcdef", min_size=1, max_size=60))
def test_what_was_sealed_is_what_is_opened(place: str) -> None:
    assert CURSORS.open(CURSORS.seal(place, QUESTION), QUESTION) == place
