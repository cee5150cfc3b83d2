"""Aggregates kept in memory between commands, so that only what happened since has to be read.

A person who does several things in a row would otherwise have their whole stream read and opened for each of them.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from shared.eventstore.aggregates import Aggregate

RECENT_SECONDS = 20.0
"""Personal values are open in an aggregate: together with the keys' own time in memory, this stays within a minute."""
RECENT_AGGREGATES = 2_000


class RecentAggregates:
    """Lends each aggregate to one command at a time, for a bounded time since its events were opened.

    It is never trusted to be up to date: whoever takes one reads what came behind its version, which another process
    may have written.
    """

    def __init__(
        self,
        *,
        seconds: float = RECENT_SECONDS,
        limit: int = RECENT_AGGREGATES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds, self._limit, self._monotonic = seconds, limit, monotonic
        self._kept: OrderedDict[str, tuple[float, Aggregate]] = OrderedDict()

    def now(self) -> float:
        """The time to note before events are opened."""
        return self._monotonic()

    def take(self, stream: str) -> tuple[float, Aggregate] | None:
        """The aggregate and when its events were opened, which nobody else gets until it is kept again."""
        kept = self._kept.pop(stream, None)
        return kept if kept is not None and self._monotonic() < kept[0] + self._seconds else None

    def keep(self, opened_at: float, aggregate: Aggregate) -> None:
        """Remembers an aggregate all of whose events are committed."""
        self._kept[aggregate.stream] = (opened_at, aggregate)
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)
