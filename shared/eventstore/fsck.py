"""Checking an event store: every event once in the feed or the outbox, streams and feed without hole, bytes untouched.

The statements are answered along indexes, so that neither this process nor the server holds more than a page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from shared.eventstore.canonical import NotCanonical, parse_canonical
from shared.eventstore.recorded import Recorded, source_of
from shared.privacy.sealing import NONCE_BYTES, Sealed, is_sealed
from shared.runtime.checking import Report, stream, told

TAG_BYTES = 16
"""Of AES-GCM: no ciphertext is shorter than its nonce and its tag."""

_EVENTS = """
    SELECT e.event_id, e.stream, e.version, e.type, e.schema_version, e.body,
           fed.times AS fed, fed.position, waiting.times AS waiting, waiting.id AS outbox_id
    FROM events AS e,
         LATERAL (SELECT count(*) AS times, min(position) AS position FROM feed WHERE event_id = e.event_id) AS fed,
         LATERAL (SELECT count(*) AS times, min(id) AS id FROM outbox WHERE event_id = e.event_id) AS waiting
    ORDER BY e.stream, e.version
"""
_FEED = """
    SELECT position, epoch, event_id, EXISTS (SELECT FROM events AS e WHERE e.event_id = feed.event_id) AS there
    FROM feed ORDER BY position
"""
_OUTBOX_OF_NOTHING = """
    SELECT id, event_id FROM outbox WHERE NOT EXISTS (SELECT FROM events AS e WHERE e.event_id = outbox.event_id)
"""


def has_events(connection: Connection) -> bool:
    """Whether there is an event store in this database."""
    return bool(connection.scalar(text("SELECT to_regclass('events') IS NOT NULL")))


def check_events(connection: Connection, service: str, report: Report) -> None:
    """Everything that does not hold in the event store of `service`."""
    whole = int(connection.scalar(text("SELECT position FROM feed_head")) or 0)
    _check_feed(connection, service, report)
    place = _Place(service, report)
    for row in stream(connection, _EVENTS):
        place.follow(row)
        _check_body(service, row, report)
        report.count_of("events", whole)
    for row in stream(connection, _OUTBOX_OF_NOTHING):
        report.add("outbox-row-without-event", f"{service} outbox {row.id}", found=row.event_id)


def _check_feed(connection: Connection, service: str, report: Report) -> None:
    """Positions 1, 2, 3 … to the stated head, each of an event, under epochs that never go back."""
    head = connection.execute(text("SELECT epoch, position, published FROM feed_head")).first()
    if head is None:
        report.add("feed-head-missing", f"{service} feed_head")
        return
    last, epoch = 0, 0
    for row in stream(connection, _FEED):
        where = f"{service} feed {row.position}"
        if row.position <= last:
            report.add("feed-position-repeated", where, last + 1, row.position)
        elif row.position != last + 1:
            missing = str(last + 1) if row.position == last + 2 else f"{last + 1} to {row.position - 1}"
            report.add("feed-hole", f"{service} feed {missing}", last + 1, row.position)
        if row.epoch < epoch:
            report.add("epoch-goes-back", where, f"at least {epoch}", row.epoch)
        if not row.there:
            report.add("feed-row-without-event", where, found=row.event_id)
        last, epoch = row.position, row.epoch
        report.count("feed rows")
    report.unless_equal("feed-head-differs", f"{service} feed_head", last, head.position)
    if epoch > head.epoch:
        report.add("feed-ahead-of-its-epoch", f"{service} feed_head", f"at least {epoch}", head.epoch)
    _check_epochs(connection, service, head, report)
    if head.published > head.position:
        report.add("published-beyond-head", f"{service} feed_head", f"at most {head.position}", head.published)


def _check_epochs(connection: Connection, service: str, head: Row[Any], report: Report) -> None:
    """Every epoch that was numbered under is registered, begins within the feed, and the newest is the head's."""
    registered = {row.epoch: row.after_position for row in connection.execute(text("SELECT * FROM feed_epochs"))}
    report.unless_equal("feed-epoch-differs", f"{service} feed_epochs", max(registered, default=0), head.epoch)
    for epoch, after in registered.items():
        if after > head.position:
            report.add("feed-epoch-beyond-head", f"{service} epoch {epoch}", f"at most {head.position}", after)


class _Place:
    """Where an event stands: in its stream, and either in the feed or in the outbox, in one and the same order."""

    def __init__(self, service: str, report: Report) -> None:
        self._service, self._report = service, report
        self._stream: str | None = None
        self._version = 0
        self._position = 0
        self._outbox_id = 0

    def follow(self, row: Row[Any]) -> None:
        report, where = self._report, f"{self._service} event {row.event_id}"
        if row.stream != self._stream:
            self._stream, self._version, self._position, self._outbox_id = row.stream, 0, 0, 0
        if row.version != self._version + 1:
            report.add("stream-not-contiguous", f"{where}, stream {told(row.stream)}", self._version + 1, row.version)
        self._version = row.version
        if row.fed + row.waiting == 0:
            report.add("event-not-in-feed", where, "a feed or outbox row")
        elif row.fed and row.waiting:
            report.add("event-in-feed-and-outbox", where, "one of them", f"feed {row.position}, outbox {row.outbox_id}")
        elif row.fed + row.waiting > 1:
            report.add("event-placed-twice", where, 1, row.fed + row.waiting)
        self._follow_order(row, where)

    def _follow_order(self, row: Row[Any], where: str) -> None:
        """What is numbered comes before what waits, and both in the order of the stream."""
        if row.fed:
            if self._outbox_id or row.position < self._position:
                before = f"outbox {self._outbox_id}" if self._outbox_id else f"feed {self._position}"
                self._report.add("feed-not-in-stream-order", where, f"after {before}", f"feed {row.position}")
            self._position = row.position
        elif row.waiting:
            if row.outbox_id < self._outbox_id:
                self._report.add("outbox-not-in-stream-order", where, f"after {self._outbox_id}", row.outbox_id)
            self._outbox_id = row.outbox_id


def _check_body(service: str, row: Row[Any], report: Report) -> None:
    where = f"{service} event {row.event_id}"
    recorded = Recorded(bytes(row.body))
    try:
        envelope = parse_canonical(recorded.body)
    except NotCanonical:
        report.add("event-not-canonical", where, found=recorded.body)
        return
    try:
        stated = {
            "id": recorded.event_id,
            "stream": recorded.stream,
            "version": recorded.version,
            "type": recorded.type,
            "schema version": recorded.schema_version,
            "source": envelope["source"],
        }
        data = recorded.data
        subjects = set(str(envelope.get("datasubjects", "")).split(","))
        items = list(data.items())
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        report.add("event-malformed", where, found=recorded.body)
        return
    columns = (row.event_id, row.stream, row.version, row.type, row.schema_version, source_of(service))
    for (name, said), column in zip(stated.items(), columns, strict=True):
        report.unless_equal("event-differs-from-its-row", f"{where}, {name}", column, said)
    for name, value in items:
        if is_sealed(value):
            report.count("sealed fields")
            for what, expected, found in _unbound(row.event_id, name, value, subjects):
                report.add(what, f"{where}, field {told(name)}", expected, found)
        elif name in _personal_fields(recorded):
            report.add("personal-field-not-sealed", f"{where}, field {told(name)}")


def _unbound(event_id: UUID, name: str, value: dict[str, str], subjects: set[str]) -> Iterator[tuple[str, str, str]]:
    """In what a sealed value is not of this field of this event and of a person the event is about."""
    try:
        sealed = Sealed.from_json(value)
    except (AttributeError, KeyError, TypeError, ValueError):
        yield "sealed-field-malformed", "", ""
        return
    if sealed.event_id != event_id:
        yield "sealed-field-of-another-event", told(event_id), told(sealed.event_id)
    if sealed.field != name:
        yield "sealed-field-of-another-field", told(name), told(sealed.field)
    if str(sealed.subject) not in subjects:
        yield "sealed-field-of-another-subject", "a subject of the event", told(sealed.subject)
    if len(sealed.ciphertext) < NONCE_BYTES + TAG_BYTES:
        yield "sealed-field-malformed", "", ""


def _personal_fields(recorded: Recorded) -> set[str]:
    """Which fields the contract declares personal; none if this code does not know the contract."""
    try:
        return set(recorded.contract.personal_fields)
    except KeyError:
        return set()
