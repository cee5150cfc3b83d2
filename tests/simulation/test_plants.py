"""Faults that are planted on purpose, and found: each is a small change of one class, and breaks a property.

The last lines of each story say what broke; the words asserted here are the property's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from shared.bus import subscriptions
from shared.bus.subscriptions import Subscriber
from shared.eventstore.store import FeedEntry
from tests.simulation import world
from tests.simulation.memory import MemoryCursors, MemoryOutbox
from tests.simulation.platform import Cast, Schedule, Simulation
from tests.simulation.schedules import BUDGET, LONG, commands, restores, schedules, searching
from tests.simulation.world import Broken, Fault

stalls = st.builds(
    lambda call, nth: Fault("subscriber A", call, nth, world.STALL, 1.5),
    st.sampled_from(("lock", "hear the answer", "note head")), st.integers(1, 8),
)  # fmt: skip
killed_subscriber = st.builds(
    Schedule,
    commands=st.lists(commands, min_size=1, max_size=6),
    faults=st.lists(
        st.builds(
            lambda call, nth: Fault("subscriber A", call, nth, world.KILL, 0.3),
            st.sampled_from(("commit", "apply", "move cursor", "acknowledge", "receive", "lock")), st.integers(1, 4),
        ),
        max_size=4,
    ),
)  # fmt: skip


def look_for(
    cast: Cast,
    among: SearchStrategy[Schedule] = schedules,
    *,
    number: int = BUDGET,
    shrink: bool = LONG,
    bound: bool = False,
) -> None:
    """Runs the search of the simulation itself, with one part exchanged. Raises `Broken` for what it finds.

    With `bound`, the queue is there before anything else is.
    """

    @searching(number, shrink=shrink, derandomize=True)
    @given(among)
    def search(schedule: Schedule) -> None:
        simulation = Simulation(schedule, cast)
        if bound:
            simulation.bind()
        simulation.run()

    search()


class MovesItsCursorBefore(Subscriber):
    """The cursor in a transaction of its own, and the effects in the next."""

    def _advance(self, publisher: str, entries: Sequence[FeedEntry], head: int = 0) -> bool:
        with self._transaction() as cursors:
            cursor = cursors.lock(publisher)
            following = [entry for entry in entries if entry.position > cursor.position]
            if not subscriptions._continue(cursor, following):
                return False
            if following:
                cursors.move(publisher, following[-1], head)
        if following:
            with self._transaction() as cursors:
                deliveries = [subscriptions.Delivery(publisher, entry) for entry in following]
                self._subscription.apply(cursors.connection, deliveries)
        return True


class MovesItsCursorAfter(Subscriber):
    """The effects in a transaction of their own, and the cursor in the next."""

    def _advance(self, publisher: str, entries: Sequence[FeedEntry], head: int = 0) -> bool:
        with self._transaction() as cursors:
            cursor = cursors.lock(publisher)
            following = [entry for entry in entries if entry.position > cursor.position]
            if not subscriptions._continue(cursor, following):
                return False
            if following:
                deliveries = [subscriptions.Delivery(publisher, entry) for entry in following]
                self._subscription.apply(cursors.connection, deliveries)
        if following:
            with self._transaction() as cursors:
                cursors.move(publisher, following[-1], head)
        return True


class NumbersByIdGap(MemoryOutbox):
    """Reads the outbox as `id > n`, where n is the last id that it saw; ids are given before they are visible."""

    def _waiting(self) -> list[int]:
        seen = getattr(self._store, "last_numbered", 0)
        return [id for id in super()._waiting() if id > seen]

    def _number(self, limit: int) -> int:
        taken = self._waiting()[:limit]
        head = super()._number(limit)
        if taken:
            self._store.last_numbered = taken[-1]  # type: ignore[attr-defined]
        return head


class AcknowledgesFirst(Subscriber):
    """Acknowledges what it has received, and applies it then."""

    def _apply_received(self, connection: Any) -> None:
        last = self._received[-1][1]
        last.channel.basic_ack(last.delivery_tag, multiple=True)
        channel, last.channel = last.channel, _Mute()
        super()._apply_received(connection)
        last.channel = channel


class _Mute:
    def basic_ack(self, delivery_tag: int, multiple: bool) -> None:
        pass


class TrustsTheQueue(Subscriber):
    """Never asks for the feed: what the queue brings is all there is."""

    def _catch_up(self, publisher: str, broker: Any) -> bool:
        return True


class TrustsTheQueueAndAcknowledgesFirst(TrustsTheQueue, AcknowledgesFirst):
    pass


class AppliesDuplicates(Subscriber):
    """Does not look at the cursor: whatever comes is applied."""

    def _advance(self, publisher: str, entries: Sequence[FeedEntry], head: int = 0) -> bool:
        with self._transaction() as cursors:
            cursors.lock(publisher)
            self._subscription.apply(
                cursors.connection, [subscriptions.Delivery(publisher, entry) for entry in entries]
            )
            cursors.move(publisher, entries[-1], head)
        return True


class LooksAtPlacesOnly(Subscriber):
    """Takes the entry at the next place for the next one, whatever came before it."""

    def _advance(self, publisher: str, entries: Sequence[FeedEntry], head: int = 0) -> bool:
        with self._transaction() as cursors:
            cursor = cursors.lock(publisher)
            following = [entry for entry in entries if entry.position > cursor.position]
            if [entry.position for entry in following] != list(
                range(cursor.position + 1, cursor.position + 1 + len(following))
            ):
                return False
            if following:
                deliveries = [subscriptions.Delivery(publisher, entry) for entry in following]
                self._subscription.apply(cursors.connection, deliveries)
                cursors.move(publisher, following[-1], head)
        return True


class NotesAnOlderHead(MemoryCursors):
    """Keeps the head that was told, though the cursor has gone further since. This one was found, not planted."""

    def note_head(self, publisher: str, head: int) -> None:
        super().note_head(publisher, head)
        self._rows[publisher].head = head


UNWATCHED = Cast(watched=False)


@pytest.mark.parametrize(
    ("cast", "found"),
    [
        (replace(UNWATCHED, subscriber=MovesItsCursorBefore), "the feed has .*; applied were"),
        (replace(UNWATCHED, subscriber=MovesItsCursorAfter), "applied were .*"),
        (replace(UNWATCHED, subscriber=AppliesDuplicates), "applied were .*"),
        (Cast(outbox=NumbersByIdGap), "nothing is settled"),
        (Cast(subscriber=AcknowledgesFirst), "was acknowledged while the committed cursor is at"),
    ],
    ids=["cursor moved before", "cursor moved after", "duplicates applied", "numbered by id gap", "acknowledged first"],
)
def test_a_planted_fault_is_found(cast: Cast, found: str) -> None:
    with pytest.raises(Broken, match=found) as story:
        look_for(cast)
    print(story.value)


def test_what_is_found_shrinks_to_a_short_story() -> None:
    """One event, one process that dies between the two transactions, and what is missing then."""
    with pytest.raises(Broken) as found:
        look_for(replace(UNWATCHED, subscriber=MovesItsCursorBefore), shrink=True)
    story = str(found.value).strip().splitlines()
    assert len(story) <= 12
    assert sum(" is killed " in line or " loses its connection " in line for line in story) == 1
    assert story[-1].endswith("BROKEN        the feed has a1; applied were none")


def test_a_restored_publisher_is_told_by_the_event_before() -> None:
    with pytest.raises(Broken, match="applied behind an event that it does not follow") as story:
        look_for(Cast(subscriber=LooksAtPlacesOnly), restores)
    print(story.value)


def test_a_stated_head_that_falls_behind_is_found() -> None:
    """It takes two subscribers and a stall at the right place, so it is looked for among such schedules."""
    crowded = st.builds(
        Schedule, commands=st.lists(commands, min_size=4, max_size=6), subscribers=st.just(2),
        faults=st.lists(stalls, min_size=1, max_size=3),
    )  # fmt: skip
    with pytest.raises(Broken, match="ahead of the stated head"):
        look_for(Cast(cursors=NotesAnOlderHead), crowded)


# What acknowledging before the commit can break, and what it cannot.


def test_acknowledging_first_loses_nothing_while_the_feed_is_asked() -> None:
    """Judged by the end alone, it is not found: what the queue no longer has shows, and is read from the feed."""
    look_for(replace(UNWATCHED, subscriber=AcknowledgesFirst), number=BUDGET // 3)


def test_acknowledging_first_loses_events_if_the_feed_is_not_asked() -> None:
    with pytest.raises(Broken, match=r"nothing is settled|applied were"):
        look_for(replace(UNWATCHED, subscriber=TrustsTheQueueAndAcknowledgesFirst), killed_subscriber, bound=True)


def test_the_queue_alone_loses_nothing_if_it_is_acknowledged_last() -> None:
    look_for(replace(UNWATCHED, subscriber=TrustsTheQueue), killed_subscriber, number=BUDGET // 3, bound=True)
