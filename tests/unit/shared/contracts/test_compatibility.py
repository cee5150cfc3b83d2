"""What was published stays as it is: whoever changes it is told, and what may be added is let through."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from marshmallow import fields

from shared.contracts import events
from shared.contracts.catalogue import published_contracts
from shared.contracts.compatibility import broken_promises, promises_of, stranded_versions, written
from shared.contracts.events import contract_of, event, upcast
from shared.contracts.fields import public

SNAPSHOT = Path(__file__).parents[4] / "shared" / "contracts" / "published.json"
PARCEL = "https://okacrm.net/schemas/depot/parcel_sent/1"
WEIGHED = "https://okacrm.net/schemas/depot/parcel_weighed/1"

PUBLISHED: dict[str, Any] = {
    PARCEL: {
        "sender_id": {"kind": "subject", "required": True, "schema": {"type": "string", "format": "uuid"}},
        "carrier": {"kind": "public", "required": True, "schema": {"type": "string", "enum": ["post", "bicycle"]}},
        "weight": {"kind": "public", "required": False, "schema": {"type": "integer", "minimum": 0}},
        "code": {
            "kind": "public",
            "required": True,
            "schema": {"type": "string", "maxLength": 20, "pattern": "^[a-z]+$"},
        },
        "tags": {
            "kind": "public",
            "required": True,
            "schema": {"type": "array", "items": {"type": "string", "enum": ["fragile", "cold"]}},
        },
        "address": {
            "kind": "personal",
            "category": "identity",
            "of": "sender_id",
            "required": True,
            "schema": {
                "type": "object",
                "properties": {"street": {"type": "string"}, "number": {"type": ["integer", "null"]}},
                "required": ["street"],
            },
        },
    },
    WEIGHED: {"weighed_at": {"kind": "public", "required": True, "schema": {"type": "string", "format": "date-time"}}},
}

Change = Callable[[dict[str, Any]], Any]


def changed(change: Change) -> dict[str, Any]:
    """The contracts after a change of the published ones."""
    present = deepcopy(PUBLISHED)
    change(present)
    return present


def of_field(name: str, **changes: Any) -> Change:
    return lambda present: present[PARCEL][name].update(changes)


def of_schema(name: str, **changes: Any) -> Change:
    return lambda present: present[PARCEL][name]["schema"].update(changes)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda present: present.pop(WEIGHED), "was published and is gone; events that exist can no longer be read"),
        (lambda present: present[PARCEL].pop("carrier"), "the field carrier was published and is gone"),
        (
            lambda present: present[PARCEL].update(colour={"kind": "public", "required": True, "schema": {}}),
            "the field colour is new and required, which events that exist cannot satisfy; make it optional",
        ),
        (of_field("weight", required=True), "weight was optional and is required, which events that exist may not"),
        (of_field("carrier", required=False), "carrier was always there and is optional, which readers do not expect"),
        (of_field("carrier", kind="personal", category="identity", of="sender_id"), "was public and is personal"),
        (of_field("address", kind="public"), "the field address was personal and is public"),
        (of_field("sender_id", kind="public"), "the field sender_id was subject and is public"),
        (of_field("address", category="communications"), "was of the category identity and is of communications"),
        (
            of_field("address", of="receiver_id"),
            "was about the person in sender_id and is about the one in receiver_id",
        ),
        (of_schema("weight", type="string"), "the field weight could be of the type integer and cannot any more"),
        (of_schema("sender_id", format="email"), "the field sender_id had the format uuid and has email"),
        (of_schema("code", pattern="^[0-9]+$"), "the field code had the pattern ^[a-z]+$ and has ^[0-9]+$"),
        (of_schema("carrier", pattern="^[a-z]+$"), "the field carrier had the pattern of any kind and has ^[a-z]+$"),
        (of_schema("carrier", enum=["post", "drone"]), "the field carrier lost the words bicycle"),
        (of_schema("code", enum=["abc"]), "the field code could be any word and is of a closed vocabulary now"),
        (of_schema("code", maxLength=10), "the field code had the maxLength 20 and has 10"),
        (of_schema("code", minLength=3), "the field code had the minLength of any size and has 3"),
        (of_schema("weight", minimum=1), "the field weight had the minimum 0 and has 1"),
        (
            of_schema("tags", items={"type": "string", "enum": ["cold"]}),
            "the field tags in its items lost the words fragile",
        ),
        (
            of_schema("address", properties={"street": {"type": "string"}}),
            "the field address had the member number and has it no more",
        ),
        (
            of_schema("address", properties={"street": {"type": "string"}, "number": {"type": "integer"}}),
            "the field address in its member number could be of the type null and cannot any more",
        ),
        (of_schema("address", required=["number", "street"]), "the field address now requires the members number"),
    ],
)
def test_a_broken_promise_is_said(change: Change, complaint: str) -> None:
    (broken,) = broken_promises(PUBLISHED, changed(change))
    assert complaint in broken
    assert broken.startswith((PARCEL, WEIGHED))


@pytest.mark.parametrize(
    "change",
    [
        lambda present: present[PARCEL].update(colour={"kind": "public", "required": False, "schema": {}}),
        lambda present: present.update({PARCEL.replace("/1", "/2"): {}}),
        lambda present: present.update({PARCEL.replace("parcel_sent", "parcel_lost"): {}}),
        of_schema("carrier", enum=["bicycle", "drone", "post"]),
        of_schema("code", maxLength=40),
        of_schema("weight", type=["integer", "null"]),
        of_schema("tags", items={"type": "string", "enum": ["cold", "fragile", "heavy"]}),
    ],
    ids=[
        "optional field",
        "another version",
        "another event",
        "more words",
        "longer",
        "or null",
        "more words in items",
    ],
)
def test_what_readers_can_expect_may_be_added(change: Change) -> None:
    assert broken_promises(PUBLISHED, changed(change)) == []


def test_promises_are_the_same_after_they_were_written() -> None:
    assert json.loads(written(PUBLISHED)) == PUBLISHED


@pytest.fixture
def registry_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this test declares is no event of the product."""
    for registry in ("_BY_CLASS", "_BY_TYPE", "_NEWEST", "_UPCASTERS"):
        monkeypatch.setattr(events, registry, dict(getattr(events, registry)))


@pytest.mark.usefixtures("registry_apart")
def test_a_version_is_superseded_only_with_an_upcaster_to_the_next() -> None:
    @event(version=1)
    class TeaServedV1:
        cup_id: UUID = public(fields.UUID(required=True))

    @event(version=2)
    class TeaServed:
        cup_id: UUID = public(fields.UUID(required=True))
        sugar: int = public(fields.Integer(required=True))

    present = [contract_of(TeaServedV1), contract_of(TeaServed)]
    (stranded,) = stranded_versions(present)
    assert stranded.endswith("/tea_served/1: there is a later version, and no upcaster from this one to the next")
    upcast(TeaServed, from_version=1)(lambda data: {**data, "sugar": 0})
    assert stranded_versions(present) == []


def test_every_promise_that_was_published_is_kept() -> None:
    present = published_contracts()
    broken = [*broken_promises(json.loads(SNAPSHOT.read_text()), promises_of(present)), *stranded_versions(present)]
    assert not broken, "\n".join(["what was published must stay as it is:", *broken])


def test_what_is_promised_is_written_down() -> None:
    assert SNAPSHOT.read_text() == written(promises_of(published_contracts())), (
        "shared/contracts/published.json is out of date: make contracts"
    )
