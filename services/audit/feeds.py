"""The feed of this service."""

from __future__ import annotations

from shared.contracts.audit import FeedEpochBegun
from shared.eventstore.aggregates import evolve
from shared.eventstore.feeds import ServiceFeed


class Feed(ServiceFeed):
    begun = FeedEpochBegun

    @evolve
    def _epoch_begun(self, event: FeedEpochBegun) -> None:
        self.epoch = event.epoch
