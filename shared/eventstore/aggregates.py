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

        @dataclass
        class Account(Aggregate, stream="account"):

    `stream` begins the names of its streams, which are stored, published and signed: it stays whatever becomes of the
    class. A class without it is a base of aggregates and has no events of its own.
    """

    id: UUID
    version: int = 0
    category: ClassVar[str]
    _evolutions: ClassVar[dict[type[Any], Callable[[Any, Any], None]]]

    def __init_subclass__(cls, *, stream: str | None = None) -> None:
        """Raise `TypeError` for an `@evolve` method that would be ignored: one of a base, or a second for one event."""
        if stream is not None:
            cls.category = stream
        cls._evolutions = {}
        for method in _evolving(cls):
            event_class = get_type_hints(method)["event"]
            if event_class in cls._evolutions:
                raise TypeError(f"{cls.__name__} says twice what {event_class.__name__} changes")
            cls._evolutions[event_class] = method
        if inherited := [method.__qualname__ for base in cls.__mro__[1:] for method in _evolving(base)]:
            raise TypeError(f"{cls.__name__} would ignore {', '.join(inherited)}: say it in the class itself")

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


def _evolving(kind: type[Any]) -> list[Callable[[Any, Any], None]]:
    """Return the methods of the class itself that are marked with `@evolve`."""
    return [each for each in vars(kind).values() if inspect.isfunction(each) and each.__dict__.get("evolves")]


def position(aggregate: Aggregate) -> dict[str, Any]:
    """Where a command left its stream, for readers that wait until they can see it."""
    return {"stream": aggregate.stream, "version": aggregate.version}
