"""The log is read entry by entry: verbatim, up to what is signed, on record, and to an end."""

from __future__ import annotations

import json
from base64 import b64decode
from uuid import uuid4

import pytest
from sqlalchemy import text

from services.audit.log.entries import MOST_ENTRIES
from services.audit.service import Audit, AuditService
from shared.bus.actors import Actor, Call
from tests.component.services.audit.conftest import MadeLog, entry, plain_entry

OFFICER = Actor("compliance", str(uuid4()))


class Reader:
    """A compliance officer who calls the audit service in this process."""

    def __init__(self, log: MadeLog) -> None:
        self._log = log
        self._service = AuditService()
        self._service.app = Audit(log.store, log.signer.verifier)

    def read(self, start, end):
        call = Call("audit", "list_entries", {}, OFFICER, str(uuid4()), "test", 0.0)
        reply = self._service.list_entries(call, start=start, end=end)
        return reply.get("answer") or reply["problem"]

    def records(self):
        """What is on record of the reading, as events of audit, oldest first."""
        with self._log.engine.connect() as connection:
            rows = connection.execute(text("SELECT body FROM events ORDER BY event_id")).all()
        return [json.loads(bytes(row.body)) for row in rows]


@pytest.fixture
def reader(log):
    return Reader(log)


def leaves_of(page):
    return [b64decode(each) for each in page["entries"]]


def reading_entry(index):
    return entry(
        index, "x", publisher="audit", type="okacrm.audit.question_asked", data={"question": "entries", "size": 9}
    )


def test_entries_are_the_leaves_as_they_are_hashed(log, reader):
    log.grow(20, plain_entry)
    page = reader.read(3, 7)
    assert (page["start"], page["checkpoint"]) == (3, 20)
    assert leaves_of(page) == [plain_entry(index).leaf_bytes for index in range(3, 8)]


def test_a_page_ends_with_the_checkpoint_or_when_it_is_full(log, reader, monkeypatch):
    log.grow(MOST_ENTRIES + 20, plain_entry)
    assert len(reader.read(0, 10**9)["entries"]) == MOST_ENTRIES
    assert len(reader.read(MOST_ENTRIES, 10**9)["entries"]) == 20
    assert reader.read(MOST_ENTRIES + 20, 10**9)["entries"] == []
    monkeypatch.setattr(log, "sign", lambda: None)
    log.grow(MOST_ENTRIES + 30, plain_entry)
    assert len(reader.read(MOST_ENTRIES, 10**9)["entries"]) == 20


def test_before_the_first_checkpoint_there_is_nothing_to_read(log, reader):
    assert reader.read(0, 9)["code"] == "not-yet-published"


def test_that_entries_were_read_is_on_record(log, reader):
    log.grow(20, plain_entry)
    reader.read(3, 7)
    reader.read(8, 99)
    told = [(record["actor"], record["data"]) for record in reader.records()]
    assert {actor for actor, _ in told} == {str(OFFICER)}
    read = [(data["question"], data["first_entry"], data["last_entry"], data["size"]) for _, data in told]
    assert read == [("entries", 3, 7, 20), ("entries", 8, 19, 20)]


def test_reading_to_the_end_comes_to_an_end(log, reader):
    """What is only about entries having been read makes no further record, or following would never catch up."""
    log.grow(20, plain_entry)
    reader.read(0, 99)
    log.grow(23, reading_entry)
    reader.read(20, 99)
    reader.read(23, 99)
    assert len(reader.records()) == 1
    log.grow(24, plain_entry)
    reader.read(22, 99)
    assert len(reader.records()) == 2
