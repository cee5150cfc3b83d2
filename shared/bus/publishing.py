"""What every service that has a feed answers about it: to its subscribers, and to operators after a restore."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol
from uuid import UUID

from shared.bus.actors import OPERATOR, SERVICES, Call
from shared.bus.feeds import answer_events, answer_feed_page, answer_places
from shared.bus.operations import operation
from shared.eventstore.feeds import Loss, ServiceFeed, feed_id
from shared.eventstore.store import begin_epoch
from shared.eventstore.work import EventStore, Outcome, UnitOfWork
from shared.runtime.wiring import command_of


class Publisher(Protocol):
    """What the operations need of a service's application."""

    @property
    def store(self) -> EventStore: ...


class FeedOperations:
    """What a service told others, in order."""

    name: str
    app: Publisher
    feed: ClassVar[type[ServiceFeed]]

    @operation(principals=SERVICES)
    def read_feed(self, call: Call, epoch: int, position: int, event_id: str | None, limit: int) -> dict[str, Any]:
        return answer_feed_page(self.app.store.engine, epoch, position, event_id, limit)

    @operation(principals=["audit"])
    def read_events(self, call: Call, event_ids: list[str]) -> dict[str, Any]:
        return answer_events(self.app.store.engine, event_ids)

    @operation(principals=[OPERATOR])
    def locate_events(self, call: Call, event_ids: list[str]) -> dict[str, Any]:
        return answer_places(self.app.store.engine, event_ids)

    @operation(principals=[OPERATOR])
    def begin_feed_epoch(
        self,
        call: Call,
        epoch: int,
        last_common_position: int,
        last_common_event: str | None,
        lost_events: int,
        repeated_events: int,
    ) -> Outcome:
        """Goes on under a new epoch after a restore, and says in the feed itself what was lost."""
        after = UUID(last_common_event) if last_common_event else None
        loss = Loss(last_common_position, after, lost_events, repeated_events)

        def begin(work: UnitOfWork) -> Outcome:
            feed = work.load(self.feed, feed_id(self.name))
            begin_epoch(work.connection, epoch, last_common_position, after)
            work.record(feed, feed.begin_epoch(epoch, loss, now=work.now))
            return {"epoch": epoch, "stream": feed.stream, "version": feed.version}

        return self.app.store.perform(command_of(call), begin)
