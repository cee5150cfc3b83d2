"""Whatever is taken from outside has bounds, within which everything behind the gateway can count and keep it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest
from marshmallow import ValidationError, fields

from gateway.request import LARGEST_BODY
from gateway.routes import ROUTES
from gateway.routing import Route
from gateway.schemas import Count, Cursor, Day, Instant
from shared.contracts.times import END_OF_TIMES, FIRST_MOMENT

LARGEST_NUMBER = 2**53 - 1
"""The largest that JSON carries exactly everywhere (RFC 8259), and far less than a bigint."""
LONGEST_TEXT = 20_000


def taken() -> Iterator[tuple[str, fields.Field]]:
    """Every field of every path, query and body, those inside others as well, and where it is."""
    for route in ROUTES:
        body = route.body().fields if route.body else {}
        for place, declared in (("path", route.parameters), ("query", route.query().fields), ("body", body)):
            for name, field in declared.items():
                yield from _within(f"{route.operation_id} {place} {name}", field)


def _within(place: str, field: fields.Field) -> Iterator[tuple[str, fields.Field]]:
    yield place, field
    if isinstance(field, fields.Nested):
        for name, inner in field.schema.fields.items():
            yield from _within(f"{place}.{name}", inner)
    elif isinstance(field, fields.List):
        yield from _within(f"{place}[]", field.inner)


TAKEN = list(taken())


def of(*kinds: type[fields.Field]) -> pytest.MarkDecorator:
    found = [(place, field) for place, field in TAKEN if isinstance(field, kinds)]
    assert found
    return pytest.mark.parametrize("field", [field for _, field in found], ids=[place for place, _ in found])


def refuses(field: fields.Field, value: object) -> bool:
    try:
        field.deserialize(value)
    except ValidationError:
        return True
    return False


def test_only_kinds_are_taken_that_are_known_to_have_bounds() -> None:
    known = (fields.String, fields.Boolean, fields.UUID, fields.List, fields.Nested, Count, Day, Instant)
    assert [place for place, field in TAKEN if not isinstance(field, known)] == []


@of(fields.Number)
def test_a_number_is_a_count_within_what_a_bigint_and_json_hold(field: Count) -> None:
    (bounds,) = field.validators
    assert 0 <= bounds.min <= bounds.max <= LARGEST_NUMBER
    assert not refuses(field, str(bounds.max))
    for value in (bounds.min - 1, bounds.max + 1, 2**63, -(2**63), 10**40, 1e300, 1.5, True, float("nan")):
        assert refuses(field, value), value
        assert refuses(field, str(value)), value


@of(fields.String)
def test_a_text_is_of_bounded_length(field: fields.String) -> None:
    if isinstance(field, Cursor):  # refused as a whole, by whoever opens it: tests/unit/gateway/test_cursors.py
        return
    for character in "x7 é":
        assert refuses(field, character * (LONGEST_TEXT + 1))


@of(fields.List)
def test_a_list_is_of_bounded_length(field: fields.List) -> None:
    assert any(getattr(validator, "max", None) for validator in field.validators)


@of(Instant)
def test_a_moment_is_one_that_can_be_reckoned_with(field: Instant) -> None:
    for value in (
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        "1899-12-31T23:59:59Z",
        "3000-01-01T00:00:00Z",
    ):
        assert refuses(field, value), value
    assert refuses(field, "1900-01-01T00:00:00+00:01")
    for moment in (field.deserialize("1900-01-01T00:00:00Z"), field.deserialize("2999-12-31T23:59:59.999999Z")):
        assert FIRST_MOMENT <= datetime.fromisoformat(moment) < END_OF_TIMES


@of(Day)
def test_a_day_is_one_that_can_be_reckoned_with(field: Day) -> None:
    for value in ("0001-01-01", "9999-12-31", "1899-12-31", "3000-01-01", "2026-W01-1", "2026-02-30"):
        assert refuses(field, value), value
    assert [field.deserialize(day) for day in ("1900-01-01", "2999-12-31")] == ["1900-01-01", "2999-12-31"]


@pytest.mark.parametrize("route", [route for route in ROUTES if route.upload], ids=lambda route: route.operation_id)
def test_a_file_is_of_bounded_size(route: Route) -> None:
    assert route.upload is not None
    assert LARGEST_BODY <= route.upload.largest <= 10 * 1024 * 1024
