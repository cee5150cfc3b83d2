"""Comparing what a publisher stores with what the log recorded of it: each event with its leaf, each byte of both.

The leaf is derived from the event as it was when the event came in, and the event from the leaf: what the one does not
say of the other, the other says. Ciphertexts are compared with the hashes that leaves hold, whoever was erased since.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from services.audit.intake.sequencing import leaf_of, sealed_fields
from services.audit.log.own_events import event_of
from services.audit.tree.leaves import Leaf, LeafInvalid
from shared.bus.subscriptions import Delivery
from shared.contracts.categories import Category
from shared.eventstore.canonical import canonical_json
from shared.eventstore.store import FeedCursor, FeedEntry, count_events, entries_after
from shared.privacy.sealing import Sealed
from shared.runtime.checking import Finding, Report, told

PAGE = 500
MALFORMED = (AttributeError, LookupError, TypeError, ValueError, RecursionError)
"""What reading an event may raise whose bytes somebody has changed."""

_AT_PLACES = text("""
    SELECT leaf FROM leaves WHERE publisher = :publisher AND position > :after AND position <= :up_to
    ORDER BY position, epoch
""")
_OF_EVENT = text("SELECT leaf FROM leaves WHERE publisher = :publisher AND event_id = :event_id")
_STANDS = text("SELECT position FROM cursors WHERE subscription = :subscription AND publisher = :publisher")


@dataclass(frozen=True)
class Stretch:
    """Places behind `after` up to `up_to`, and what stands in them."""

    after: int
    up_to: int
    entries: Sequence[FeedEntry]

    @classmethod
    def of(cls, after: int, page: Sequence[FeedEntry], last: int) -> Stretch:
        """Return as much of the feed as a page that was read behind `after` tells of; at most to the place `last`.

        Where the page ends, the feed may go on; where it has nothing, nothing is there.
        """
        end = min(after + PAGE, last)
        entries = list(takewhile(lambda entry: entry.position <= end, page))
        tells_all = not page or len(entries) < len(page)
        return cls(after, end if tells_all else entries[-1].position, entries)


def stands_at(connection: Connection, publisher: str, subscription: str) -> int:
    """Return how far the log has come in a publisher's feed."""
    return int(connection.scalar(_STANDS, {"subscription": subscription, "publisher": publisher}) or 0)


def differences(connection: Connection, publisher: str, stretch: Stretch) -> Iterator[tuple[int, Finding]]:
    """Say in which places of a feed there is not what the log recorded of them.

    `connection` reads the log, which must have come beyond the stretch when the stretch was read.
    """
    parameters = {"publisher": publisher, "after": stretch.after, "up_to": stretch.up_to}
    leaves = [*_readable(connection.scalars(_AT_PLACES, parameters))]
    at_place = {(leaf.position, leaf.epoch): leaf for leaf in leaves}
    newest = {leaf.position: leaf for leaf in leaves}
    entries = {entry.position: entry for entry in stretch.entries}
    for position in range(stretch.after + 1, stretch.up_to + 1):
        where = f"{publisher} feed {position}"
        entry = entries.get(position)
        if entry is None:
            recorded = newest.get(position)
            yield position, Finding("event-missing", where, told(recorded.event_id) if recorded else "")
            continue
        leaf = at_place.get((position, entry.epoch)) or _told_before(connection, publisher, entry)
        for finding in _compare(publisher, entry, leaf, where):
            yield position, finding


def compare_store(log: Connection, store: Connection, publisher: str, stands: int, report: Report) -> None:
    """Compare a feed with the log as far as that `stands_at`, read through two connections.

    Ask where it stands before anything is read of the store, which then must have all that was recorded.
    """
    head = count_events(store).head
    if head < stands:
        report.add("feed-behind-the-log", f"{publisher} feed_head", f"at least {stands}", head)
    after = 0
    while after < stands:
        page = entries_after(store, FeedCursor(0, after, None), row_limit=PAGE)
        stretch = Stretch.of(after, page, stands)
        for _, finding in differences(log, publisher, stretch):
            report.add(finding.what, finding.where, finding.expected, finding.found)
        for _ in stretch.entries:
            report.count_of("events compared with the log", stands)
        after = stretch.up_to


def _readable(leaves: Any) -> Iterator[Leaf]:
    """A leaf that was changed beyond reading is none: the check of the log says what it is."""
    for leaf in leaves:
        try:
            yield Leaf.from_bytes(bytes(leaf))
        except LeafInvalid:
            continue


def _told_before(connection: Connection, publisher: str, entry: FeedEntry) -> Leaf | None:
    """What a restored publisher tells again stands in the log under an older epoch, and maybe another position."""
    try:
        event_id = entry.recorded.event_id
    except MALFORMED:
        return None
    parameters = {"publisher": publisher, "event_id": event_id}
    leaf = next(_readable(connection.scalars(_OF_EVENT, parameters)), None)
    return leaf if leaf is not None and leaf.epoch < entry.epoch else None


def _compare(publisher: str, entry: FeedEntry, leaf: Leaf | None, where: str) -> Iterator[Finding]:
    try:
        event_id = str(entry.recorded.event_id)
        if leaf is None:
            yield Finding("event-without-leaf", where, found=told(event_id))
        elif leaf.event_id != event_id:
            yield Finding("another-event-in-its-place", where, told(leaf.event_id), told(event_id))
        else:
            yield from _compare_with_its_leaf(Delivery(publisher, entry), leaf, where)
    except MALFORMED:
        yield Finding("event-malformed", where, told(leaf.event_id) if leaf else "", told(entry.body))


def _compare_with_its_leaf(delivery: Delivery, leaf: Leaf, where: str) -> Iterator[Finding]:
    derived = leaf_of(delivery, leaf.workspace_counter, leaf.received_at)
    if leaf.epoch < derived.epoch:
        derived = replace(derived, epoch=leaf.epoch, position=leaf.position)
    expected, found = _parts(leaf), _parts(derived)
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            sides = (told(canonical_json(each[name])) if name in each else "" for each in (expected, found))
            yield Finding("event-differs-from-its-leaf", f"{where}, {name}", *sides)
    if expected == found:
        yield from _compare_bytes(delivery, leaf, where)


def _parts(leaf: Leaf) -> dict[str, Any]:
    """What a leaf says, with each sealed value by itself."""
    parts = leaf.document()
    return parts | {f"sealed {told(each['field'])}": each for each in parts.pop("sealed")}


def _compare_bytes(delivery: Delivery, leaf: Leaf, where: str) -> Iterator[Finding]:
    """A leaf does not repeat all of an envelope; the rest follows from what it says, and from the event's contract."""
    ciphertexts = {name: value.ciphertext for name, value in sealed_fields(delivery.recorded).items()}
    event_id = UUID(leaf.event_id)
    sealed = {
        each.field: Sealed(
            ciphertexts[each.field],
            UUID(each.key),
            Category(each.category),
            UUID(each.subject),
            each.field,
            event_id,
        )
        for each in leaf.sealed
    }
    try:
        body = event_of(leaf, sealed).body
    except KeyError:
        # Of a release that is newer than this code, which does not know the contract.
        return
    if body != delivery.entry.body:
        yield Finding("event-differs-from-its-leaf", f"{where}, envelope", told(body), told(delivery.entry.body))
