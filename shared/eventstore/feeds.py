"""The feed of a service, as something about which decisions are made: when an epoch of it begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import NAMESPACE_DNS, UUID, uuid5

from shared.contracts.events import Event
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import Aggregate


@dataclass(frozen=True)
class Loss:
    """What a subscriber holds beyond the last place that it and the restored feed have in common."""

    last_common_position: int
    last_common_event: UUID | None
    lost_events: int
    repeated_events: int


@dataclass
class ServiceFeed(Aggregate):
    """The one feed of a service, which says in its subclass by which event an epoch begins."""

    id: UUID
    epoch: int = 1
    begun: ClassVar[Callable[..., Event]]

    def begin_epoch(self, epoch: int, loss: Loss, *, now: datetime) -> Iterator[Event]:
        """Goes on under an epoch that no subscriber has seen; raises `Problem("conflict")` for one that is not new."""
        if epoch <= self.epoch:
            raise Problem("conflict")
        yield type(self).begun(feed_id=self.id, epoch=epoch, **vars(loss), begun_at=now)


def feed_id(service: str) -> UUID:
    """The id of a service's feed: there is one, so it is known beforehand, and nobody is its subject."""
    return uuid5(NAMESPACE_DNS, f"{service}.okacrm.net")
