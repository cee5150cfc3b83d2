"""What every service that has a feed answers about it: to its subscribers, and to operators after a restore."""

from __future__ import annotations

from typing import Any, Protocol

from shared.bus.actors import OPERATOR, Call
from shared.bus.feeds import answer_events, answer_feed_page, answer_following, answer_places, answer_review
from shared.bus.operations import operation
from shared.contracts.problems import Problem
from shared.contracts.services import FOLLOWERS
from shared.contracts.vocabulary import TEAM
from shared.eventstore.work import EventStore


class Publisher(Protocol):
    """What the operations need of a service's application."""

    @property
    def store(self) -> EventStore: ...


class FeedOperations:
    """What a service told others, in order."""

    app: Publisher

    @operation(principals=FOLLOWERS)
    def read_feed(self, call: Call, epoch: int, position: int, event_id: str | None, limit: int) -> dict[str, Any]:
        return answer_feed_page(self.app.store.engine, epoch, position, event_id, limit)

    @operation
    def follow_feed(self, call: Call, after: str | None, limit: int) -> dict[str, Any]:
        """What `read_feed` answers, for an internal team that follows over HTTP. The gateway knows whether it may."""
        if call.actor.kind != TEAM:
            raise Problem("wrong-guard")
        return answer_following(self.app.store.engine, after, limit)

    @operation(principals=["audit"])
    def read_events(self, call: Call, event_ids: list[str]) -> dict[str, Any]:
        return answer_events(self.app.store.engine, event_ids)

    @operation(principals=["audit"])
    def review_feed(self, call: Call, after: int, limit: int, count: bool) -> dict[str, Any]:
        """What `read_feed` answers, without asking what the reader holds: it compares that by itself."""
        return answer_review(self.app.store.engine, after, limit, count=count)

    @operation(principals=[OPERATOR])
    def locate_events(self, call: Call, event_ids: list[str]) -> dict[str, Any]:
        return answer_places(self.app.store.engine, event_ids)
