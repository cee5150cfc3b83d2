"""No route for outsiders can return an internal note: shown over the route tables and the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gateway.openapi import openapi_document
from gateway.routes import ROUTES
from gateway.routing import Route
from gateway.sessions import Cookies
from shared.contracts.vocabulary import STAFF_GUARDS

DOCUMENT = openapi_document(ROUTES, Cookies(local=True))
SCHEMAS: Mapping[str, Any] = DOCUMENT["components"]["schemas"]
NOTES = {name for name in SCHEMAS if "InternalNote" in name}
OPERATIONS = {
    (method.upper(), path): operation for path, item in DOCUMENT["paths"].items() for method, operation in item.items()
}
by_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)


def named(part: Any) -> Iterator[str]:
    """The names of all schemas that a part of the document leads to."""
    waiting, met = [part], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            name = str(value.get("$ref", "")).rpartition("/")[2]
            if name in SCHEMAS and name not in met:
                met.add(name)
                waiting.append(SCHEMAS[name])
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    yield from met


def test_there_are_notes_to_look_for() -> None:
    assert {"InternalNote", "InternalNotes"} <= NOTES
    assert "note_id" in SCHEMAS["InternalNote"]["properties"]


@by_route
def test_what_holds_notes_is_for_the_house_alone(route: Route) -> None:
    operation = OPERATIONS[route.method, route.template]
    if NOTES.isdisjoint(named(operation)):
        return
    assert route.path.startswith("/v1/staff/")
    assert route.guards
    assert route.guards <= set(STAFF_GUARDS)


@by_route
def test_nothing_but_a_schema_of_notes_has_a_place_for_one(route: Route) -> None:
    operation = OPERATIONS[route.method, route.template]
    for name in set(named(operation)) - NOTES:
        assert not any("note" in member for member in SCHEMAS[name].get("properties", {})), name


@by_route
def test_only_the_routes_of_notes_call_what_reads_or_writes_them(route: Route) -> None:
    assert ("internal_note" in route.calls) == route.path.endswith("/notes")
