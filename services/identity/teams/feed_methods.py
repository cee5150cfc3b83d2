"""Operations on the feed of this service, for its subscribers and for operators."""

from __future__ import annotations

from uuid import UUID

from services.identity.application import Identity
from services.identity.teams.feeds import FEED_ID, Feed, Loss
from shared.bus.actors import OPERATOR, Call
from shared.bus.operations import operation
from shared.bus.publishing import FeedOperations
from shared.eventstore.aggregates import position
from shared.eventstore.store import begin_epoch
from shared.eventstore.work import Outcome, UnitOfWork
from shared.service.wiring import command_of


class FeedOfIdentity(FeedOperations):
    """What this service told others, in order."""

    app: Identity

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
            feed = work.load(Feed, FEED_ID)
            begin_epoch(work.connection, epoch, last_common_position, after)
            work.record(feed, feed.begin_epoch(epoch, loss, now=work.now))
            return {"epoch": epoch, **position(feed)}

        return self.app.store.perform(command_of(call), begin)
