"""The message: the stored bytes of an event with its place in the feed spliced in behind them.

CloudEvents 1.0, JSON format, structured mode. Nothing that was stored is written anew, so a reader cuts the two feed
attributes off and has the stored bytes back.
"""

from __future__ import annotations

import re

from shared.eventstore.recorded import Recorded
from shared.eventstore.store import FeedEntry

_SUFFIX = re.compile(rb',"feedepoch":([1-9][0-9]*),"feedposition":([1-9][0-9]*)\}\Z')


class NotAnEvent(ValueError):
    """A message body that no relay of this platform wrote."""


def to_wire(entry: FeedEntry) -> bytes:
    """The message body of a feed entry."""
    return b'%s,"feedepoch":%d,"feedposition":%d}' % (entry.body[:-1], entry.epoch, entry.position)


def from_wire(message: bytes) -> FeedEntry:
    """The feed entry that a message body carries. Raises `NotAnEvent` for any other body."""
    suffix = _SUFFIX.search(message)
    if suffix is None:
        raise NotAnEvent("the feed attributes are missing")
    return FeedEntry(int(suffix[1]), int(suffix[2]), message[: suffix.start()] + b"}")


def routing_key(recorded: Recorded) -> str:
    """The event's name, which subscribers bind to."""
    return recorded.type.rsplit(".", 1)[-1]


def exchange_name(publisher: str) -> str:
    """The topic exchange of a publisher, by nameko's own convention."""
    return f"{publisher}.events"
