"""What is wrong is said by another record: both are shown together, and the first stays as it is."""

from __future__ import annotations

from base64 import b64decode
from uuid import UUID, uuid5

from services.audit.log import queries
from services.audit.search.language import parse
from tests.component.services.audit.conftest import SPACE, entry, person, plain_entry

ADA = person(1)


def correcting(index, record_id, reason, replaced_by=None):
    data = {"record_id": record_id, "correction_id": str(uuid5(SPACE, f"correction {index}")), "reason": reason}
    if replaced_by:
        data["replaced_by"] = replaced_by
    return entry(index, "corrected", subjects=[ADA], data=data, type="okacrm.audit.record_corrected")


def test_a_record_is_shown_with_its_corrections_and_these_with_theirs(log):
    wrong, right = plain_entry(0), plain_entry(1)
    log.append([wrong, right])
    first = correcting(2, wrong.leaf.event_id, "entered_twice", right.leaf.event_id)
    second = correcting(3, first.leaf.event_id, "wrong_content")
    log.append([first, second])
    log.sign()
    with log.engine.connect() as connection:
        shown = queries.record(connection, UUID(wrong.leaf.event_id))
        listed = {item["id"]: item for item in queries.records(connection, parse(""), None, 10)["items"]}
    assert b64decode(shown["leaf"]) == wrong.leaf_bytes
    assert shown["corrections"] == listed[wrong.leaf.event_id]["corrections"]
    assert shown["corrections"] == [
        {
            "record_id": first.leaf.event_id,
            "reason": "entered_twice",
            "replaced_by": right.leaf.event_id,
            "recorded_at": first.leaf.received_at,
        }
    ]
    assert [each["record_id"] for each in listed[first.leaf.event_id]["corrections"]] == [second.leaf.event_id]
    assert listed[right.leaf.event_id]["corrections"] == listed[second.leaf.event_id]["corrections"] == []
