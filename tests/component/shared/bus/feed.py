"""A publisher whose feed, answers and messages a test decides."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import amqp

from shared.bus.connection import SendingChannel
from shared.bus.envelope import exchange_name, to_wire
from shared.contracts.problems import Problem
from shared.eventstore.canonical import canonical_json
from shared.eventstore.recorded import Recorded
from shared.eventstore.store import FeedEntry


class Feed:
    """Stands in for the RPC client as well: it is asked for its own feed."""

    def __init__(self, name, amqp_url):
        self.name, self.entries, self.asked, self.away = name, [], 0, False
        self._channel = SendingChannel(amqp_url, name="publisher")

    def grow(self, number, epoch=1, stream="a"):
        for _ in range(number):
            previous = UUID(id_of(self.entries[-1])) if self.entries else None
            self.entries.append(self.entry(epoch, len(self.entries) + 1, previous, stream))
        return self.entries[-number:]

    def publish(self, *entries):
        for entry in entries:
            self._channel.publish(
                amqp.Message(to_wire(entry), delivery_mode=2), exchange=exchange_name(self.name), routing_key="x"
            )

    def publish_bytes(self, body):
        self._channel.publish(amqp.Message(body), exchange=exchange_name(self.name), routing_key="x")

    def call(self, service, method, arguments, **_):
        assert (service, method) == (self.name, "read_feed")
        self.asked += 1
        if self.away:
            raise Problem("service-unavailable")
        at = arguments["position"]
        if at and (at > len(self.entries) or arguments["event_id"] != id_of(self.entries[at - 1])):
            raise Problem("feed-cursor-unknown")
        page = [to_wire(entry).decode() for entry in self.entries[at : at + min(arguments["limit"], 50)]]
        head_event = id_of(self.entries[-1]) if self.entries else None
        return {"epoch": 1, "head": len(self.entries), "head_event": head_event, "entries": page}

    def entry(self, epoch, position, previous, stream="a"):
        envelope = {
            "id": str(uuid4()),
            "type": "okacrm.test.happened",
            "source": f"/services/{self.name}",
            "subject": stream,
        }
        return FeedEntry(epoch, position, previous, Recorded(canonical_json(envelope)))


def id_of(entry):
    return json.loads(entry.body)["id"]
