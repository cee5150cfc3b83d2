"""Limits: so many of something at most, also for those who ask for several at once.

What is counted and then added to can be exceeded by everybody who counts before anybody has added. So a place is
reserved first: whoever counts holds a lock, for this limit and this owner, until their transaction ends
(docs/decisions/0046-limits-are-reserved-first.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, text

from shared.contracts.problems import Problem

_TAKE_TURNS = text("SELECT pg_advisory_xact_lock(hashtextextended(:what, 0))")


@dataclass(frozen=True)
class Limit:
    """At most so many for each owner. One more is refused with the problem of this code, which names the limit."""

    problem: str
    most: int

    def reserve(self, connection: Connection, owner: object, count: Callable[[], int]) -> None:
        """Returns if there is room for one more, which nobody else takes before this transaction ends.

        `count` says how many there are; it must read them by a statement of its own. To be called behind all other
        locks of the transaction. Raises the `Problem` of the limit.
        """
        self.take_turns(connection, owner)
        self.admit(count())

    def take_turns(self, connection: Connection, owner: object) -> None:
        """Lets nobody else count for this owner before this transaction ends."""
        take_turns(connection, f"{self.problem} {owner}")

    def admit(self, there_are: int) -> None:
        """Raises the `Problem` of the limit unless there is room for one more beside so many."""
        if there_are >= self.most:
            raise Problem(self.problem)


def take_turns(connection: Connection, what: str) -> None:
    """Lets nobody else who asks for the same turn get it before this transaction ends."""
    connection.execute(_TAKE_TURNS, {"what": f"okacrm.{what}"})
