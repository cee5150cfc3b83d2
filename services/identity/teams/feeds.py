"""The feed of this service, as something about which decisions are made: when an epoch of it begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_DNS, UUID, uuid5

from shared.contracts.events import Event
from shared.contracts.identity import FeedEpochBegun
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import Aggregate, evolve

FEED_ID = uuid5(NAMESPACE_DNS, "identity.okacrm.net")
"""There is one feed, so its id is known beforehand; nobody is its subject."""


@dataclass(frozen=True)
class Loss:
    """What a subscriber holds beyond the last place that it and the restored feed have in common."""

    last_common_position: int
    last_common_event: UUID | None
    lost_events: int
    repeated_events: int


@dataclass
class Feed(Aggregate, stream="feed"):
    """The one feed of the service."""

    id: UUID
    epoch: int = 1

    def begin_epoch(self, epoch: int, loss: Loss, *, now: datetime) -> Iterator[Event]:
        """Goes on under an epoch that no subscriber has seen; raises `Problem("conflict")` for one that is not new."""
        if epoch <= self.epoch:
            raise Problem("conflict")
        yield FeedEpochBegun(
            feed_id=self.id,
            epoch=epoch,
            last_common_position=loss.last_common_position,
            last_common_event=loss.last_common_event,
            lost_events=loss.lost_events,
            repeated_events=loss.repeated_events,
            begun_at=now,
        )

    @evolve
    def _epoch_begun(self, event: FeedEpochBegun) -> None:
        self.epoch = event.epoch
