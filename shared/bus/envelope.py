"""The message: the stored bytes of an event with its place in the feed spliced in behind them.

CloudEvents 1.0, JSON format, structured mode. Nothing that was stored is written anew, so a reader cuts the feed
attributes off and has the stored bytes back. `feedprevious`, the id of the event before, chains the feed: a reader sees
from a single message whether it continues what the reader holds.
"""

from __future__ import annotations

import re
from uuid import UUID

from shared.eventstore.canonical import NotCanonical, parse_canonical
from shared.eventstore.recorded import Recorded, source_of
from shared.eventstore.store import FeedEntry

_SUFFIX = re.compile(
    rb',"feedepoch":([1-9][0-9]*),"feedposition":([1-9][0-9]*)'
    rb'(?:,"feedprevious":"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")?\}\Z'
)


class NotAnEvent(ValueError):
    """A message body that no relay of this platform wrote."""


def to_wire(entry: FeedEntry) -> bytes:
    """The message body of a feed entry."""
    previous = b"" if entry.previous is None else b',"feedprevious":"%s"' % str(entry.previous).encode()
    return b'%s,"feedepoch":%d,"feedposition":%d%s}' % (entry.body[:-1], entry.epoch, entry.position, previous)


def from_wire(publisher: str, message: bytes) -> FeedEntry:
    """The feed entry of `publisher` that a message body carries. Raises `NotAnEvent` for any other body."""
    entry = unwrapped(message)
    try:
        envelope = parse_canonical(entry.body)
    except NotCanonical:
        raise NotAnEvent("the envelope is not canonical") from None
    if not isinstance(envelope, dict) or envelope.get("source") != source_of(publisher):
        raise NotAnEvent("the event is not this publisher's")
    return FeedEntry(entry.epoch, entry.position, entry.previous, Recorded.parsed(entry.body, envelope))


def unwrapped(message: bytes) -> FeedEntry:
    """The feed entry of a message body, whose stored bytes may be anything. Raises `NotAnEvent` if it has no place."""
    suffix = _SUFFIX.search(message)
    if suffix is None:
        raise NotAnEvent("the feed attributes are missing")
    previous = UUID(suffix[3].decode()) if suffix[3] else None
    return FeedEntry(int(suffix[1]), int(suffix[2]), previous, Recorded(message[: suffix.start()] + b"}"))


def routing_key(recorded: Recorded) -> str:
    """The event's name, which subscribers bind to."""
    return recorded.type.rsplit(".", 1)[-1]


def exchange_name(publisher: str) -> str:
    """The topic exchange of a publisher, by nameko's own convention."""
    return f"{publisher}.events"
