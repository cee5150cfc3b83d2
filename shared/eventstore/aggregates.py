"""Aggregates: state that is rebuilt from its own events and decides, without any I/O, which events come next."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, get_type_hints
from uuid import UUID

from shared.contracts.events import Event

M = TypeVar("M", bound=Callable[..., None])


def evolve(method: M) -> M:
    """Marks the method that says what one event, the type of its argument, changes in the aggregate."""
    method.__dict__["evolves"] = True
    return method


class Aggregate:
    """One consistency boundary: a stream of events, and the rules for adding to it.

    A subclass is a dataclass with an `id`, defaults for everything else, and one `@evolve` method for each event of its
    stream. Its commands are generators of events; the unit of work applies each event as it is yielded, so a command
    sees its own effects.
    """

    id: UUID
    version: int = 0
    category: ClassVar[str]
    _evolutions: ClassVar[dict[type[Any], Callable[[Any, Any], None]]]

    def __init_subclass__(cls) -> None:
        cls.category = cls.__name__.lower()
        cls._evolutions = {}
        for method in vars(cls).values():
            if inspect.isfunction(method) and method.__dict__.get("evolves"):
                hints = get_type_hints(method)
                cls._evolutions[hints["event"]] = method

    @classmethod
    def stream_of(cls, id: UUID) -> str:
        """The name of the stream of the aggregate with this id."""
        return f"{cls.category}-{id}"

    @property
    def stream(self) -> str:
        return self.stream_of(self.id)

    @property
    def workspace(self) -> UUID | None:
        """The workspace that the whole stream belongs to; None for what is in none, such as an account."""
        return None

    def apply(self, event: Event) -> None:
        """Moves on by one event. Raises `KeyError` for an event that does not belong to this aggregate."""
        self._evolutions[type(event)](self, event)
        self.version += 1


def position(aggregate: Aggregate) -> dict[str, Any]:
    """Where a command left its stream, for readers that wait until they can see it."""
    return {"stream": aggregate.stream, "version": aggregate.version}
