"""The audit service's own events, as its log holds them.

A leaf holds all of an event in which nothing is personal, and nothing is in the events of audit. So where its database
was restored from an older copy, the archive of the log gives back what the event store lacks, byte for byte, and each
event has the place in the feed again that it had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import Connection, text

from services.audit.tree.leaves import Leaf
from shared.contracts import audit  # noqa: F401 - registers the contracts
from shared.contracts.events import contract_for
from shared.eventstore.recorded import Circumstances, Recorded, enveloped
from shared.privacy.sealing import Sealed

PUBLISHER = "audit"
NOTHING_SEALED: Mapping[str, Sealed] = MappingProxyType({})


def give_back_own_events(connection: Connection, leaves: Sequence[Leaf]) -> None:
    """Puts events of audit into its event store and feed that these leaves tell of, and that are not there."""
    own = [(leaf, event_of(leaf)) for leaf in leaves if leaf.publisher == PUBLISHER]
    if not own:
        return
    connection.execute(
        text("""
            INSERT INTO events (event_id, stream, version, type, schema_version, body)
            VALUES (:event_id, :stream, :version, :type, :schema_version, :body) ON CONFLICT DO NOTHING
        """),
        [
            {
                "event_id": event.event_id,
                "stream": event.stream,
                "version": event.version,
                "type": event.type,
                "schema_version": event.schema_version,
                "body": event.body,
            }
            for _, event in own
        ],
    )
    connection.execute(
        text("DELETE FROM outbox WHERE event_id = ANY(:ids)"), {"ids": [event.event_id for _, event in own]}
    )
    connection.execute(
        text("""
            INSERT INTO feed (position, epoch, event_id) VALUES (:position, :epoch, :event_id) ON CONFLICT DO NOTHING
        """),
        [{"position": leaf.position, "epoch": leaf.epoch, "event_id": event.event_id} for leaf, event in own],
    )
    connection.execute(
        text("UPDATE feed_head SET position = greatest(position, :last), published = greatest(published, :last)"),
        {"last": own[-1][0].position},
    )


def event_of(leaf: Leaf, sealed: Mapping[str, Sealed] = NOTHING_SEALED) -> Recorded:
    """The event that a leaf is about, in the very bytes in which it was stored.

    `sealed` are its personal values, of which the leaf holds only hashes.
    """
    return enveloped(
        dict(leaf.data) | {name: value.to_json() for name, value in sealed.items()},
        contract_for(leaf.type, leaf.schema_version),
        UUID(leaf.event_id),
        leaf.stream,
        leaf.stream_version,
        time=leaf.occurred_at,
        circumstances=Circumstances(actor=leaf.actor, correlation_id=leaf.correlation, causation_id=leaf.causation),
        workspace=UUID(leaf.workspace) if leaf.workspace else None,
    )
