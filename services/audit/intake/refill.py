"""Refilling: sealed values of replayed leaves, which the archive does not hold, are fetched from their publisher.

A leaf holds the hash of each sealed value, so what comes back is what was there or is refused. What was erased
meanwhile is not asked for: the record of an erasure strikes it from the list in the transaction that enters the log.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection, Engine, Row, text

from services.audit.intake.sequencing import insert_values
from services.audit.tree.leaves import Leaf
from shared.bus.actors import Actor
from shared.bus.rpc import RpcClient
from shared.eventstore.recorded import Recorded
from shared.privacy.sealing import Sealed, is_sealed

log = structlog.get_logger()

BATCH = 200
PERIOD = 2.0

EVENT_LOST, VALUE_DIFFERS = "event-lost", "value-differs"


class Refiller:
    """Fetches missing sealed values, publisher by publisher."""

    def __init__(self, engine: Engine, rpc: RpcClient, publishers: Sequence[str]) -> None:
        self._engine = engine
        self._rpc = rpc
        self._publishers = publishers

    def refill(self) -> bool:
        """Asks each publisher for some of its missing values; False if none is missing that could be asked for."""
        return sum(self._refill(publisher) for publisher in self._publishers) > 0

    def _refill(self, publisher: str) -> int:
        """Asks for the values of some events, and says of how many."""
        with self._engine.connect() as connection:
            wanted = [str(event_id) for event_id in connection.scalars(_WANTED, {"publisher": publisher, "n": BATCH})]
        if not wanted:
            return 0
        answer = self._rpc.call(
            publisher,
            "read_events",
            {"event_ids": wanted},
            actor=Actor("service", "audit"),
            correlation_id=str(uuid.uuid4()),
        )
        held = {event.event_id: event for event in (Recorded(body.encode()) for body in answer["events"])}
        with self._engine.begin() as connection:
            # With the head locked no erasure is being recorded at this moment.
            connection.execute(text("SELECT FROM log_head FOR UPDATE"))
            refilled = sum(
                _settle(connection, row, held.get(row.event_id))
                for row in connection.execute(_MISSING, {"event_ids": wanted}).all()
            )
        log.info("sealed_values_refilled", publisher=publisher, asked=len(wanted), refilled=refilled)
        return len(wanted)


def _settle(connection: Connection, row: Row[Any], event: Recorded | None) -> int:
    """Keeps one value, or why it cannot be had; says how many were kept."""
    place = {"index": row.leaf_index, "field": row.field}
    if event is None:
        connection.execute(_GIVE_UP, {**place, "reason": EVENT_LOST})
        return 0
    value: Any = event.data.get(row.field)
    sealed = Sealed.from_json(value) if is_sealed(value) else None
    if sealed is None or not _is_of_leaf(sealed, row.field, Leaf.from_bytes(bytes(row.leaf))):
        log.error("sealed_value_differs", event_id=str(row.event_id), field=row.field)
        connection.execute(_GIVE_UP, {**place, "reason": VALUE_DIFFERS})
        return 0
    insert_values(connection, [(row.leaf_index, row.field, sealed)])
    connection.execute(_FOUND, place)
    return 1


def _is_of_leaf(value: Sealed, field: str, leaf: Leaf) -> bool:
    said = {each.field: each for each in leaf.sealed}[field]
    return (said.sha256, said.subject, UUID(said.key), said.category) == (
        sha256(value.ciphertext).hexdigest(),
        str(value.subject),
        value.key_id,
        value.category.value,
    )


_WANTED = text("""
    SELECT event_id FROM missing_values JOIN leaves USING (leaf_index)
    WHERE reason IS NULL AND publisher = :publisher
    GROUP BY leaf_index, event_id ORDER BY leaf_index LIMIT :n
""")
_MISSING = text("""
    SELECT leaf_index, field, event_id, leaf FROM missing_values JOIN leaves USING (leaf_index)
    WHERE reason IS NULL AND event_id = ANY(CAST(:event_ids AS uuid[])) ORDER BY leaf_index, field
""")
_GIVE_UP = text("UPDATE missing_values SET reason = :reason WHERE leaf_index = :index AND field = :field")
_FOUND = text("DELETE FROM missing_values WHERE leaf_index = :index AND field = :field")
