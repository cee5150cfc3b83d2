"""The audit service: the log and its proofs, and the consent history, over RPC.

It only reads, but that an operator can have it follow a restored publisher again.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Engine

from services.audit import queries
from services.audit.merkle import TILE_WIDTH
from services.audit.notes import Verifier
from services.audit.queries import FeedPlace, Place
from services.audit.search import Query, QueryInvalid, parse
from services.audit.subscriptions import PUBLISHERS
from shared.bus.actors import OPERATOR, Call
from shared.bus.operations import Application, operation
from shared.contracts.problems import Problem
from shared.eventstore.transaction import reading
from shared.runtime.clock import now
from shared.runtime.config import Settings
from shared.runtime.database import connect

log = structlog.get_logger()


@dataclass(frozen=True)
class Audit:
    """What the service works with."""

    engine: Engine
    log_key: Verifier


def build(settings: Settings) -> Audit:
    return Audit(
        engine=connect(settings.database_url, application_name="audit", autocommit=True),
        log_key=Verifier.from_pem(settings.log_origin, settings.log_public_key),
    )


class AuditService:
    """Who did what to whose data, when and why; and what had this person consented to at that moment."""

    name = "audit"
    app: Audit = Application(build)

    @operation
    def list_records(self, call: Call, q: str = "", cursor: str | None = None, limit: int = 50) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            return queries.records(connection, _query(q), _place_of(cursor), limit)

    @operation
    def count_records(self, call: Call, q: str = "") -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            return queries.facets(connection, _query(q))

    @operation
    def read_record(self, call: Call, record_id: str) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            return queries.record(connection, UUID(record_id))

    @operation
    def prove_record(self, call: Call, record_id: str) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            return queries.proof(connection, UUID(record_id))

    @operation
    def list_consents(
        self, call: Call, subject: str, as_of: str | None = None, known_at: str | None = None
    ) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            return queries.consents(connection, UUID(subject), _time(as_of) or now(), _time(known_at))

    @operation
    def completeness(self, call: Call) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            return {"publishers": queries.completeness(connection, PUBLISHERS)}

    @operation(principals=[OPERATOR])
    def feed_tail(self, call: Call, publisher: str, before: int | None = None, limit: int = 500) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            return queries.feed_tail(connection, publisher, before, limit)

    @operation(principals=[OPERATOR])
    def resume_feed(
        self, call: Call, publisher: str, stands: dict[str, Any], resumes: dict[str, Any]
    ) -> dict[str, Any]:
        """Lets the log follow a publisher from another place on, after a restore of that publisher."""
        with reading(self.app.engine) as connection:
            queries.resume_feed(connection, publisher, _place(stands), _place(resumes))
            connection.commit()
        log.warning("feed_resumed", publisher=publisher, stands=stands, resumes=resumes)
        return resumes

    @operation
    def read_checkpoint(self, call: Call) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            _, note = queries.latest_checkpoint(connection)
        return {"note": note}

    @operation
    def read_log_key(self, call: Call) -> dict[str, Any]:
        return {"key": f"{self.app.log_key}\n"}

    @operation
    def read_tile(self, call: Call, level: int, index: int, width: int = TILE_WIDTH) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            hashes = queries.tile(connection, level, index, width)
        return {"hashes": b64encode(hashes).decode()}

    @operation
    def prove_consistency(self, call: Call, from_size: int, to_size: int) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            path = queries.consistency(connection, from_size, to_size)
        return {"from": from_size, "to": to_size, "hashes": [b64encode(each).decode() for each in path]}


def _place(place: dict[str, Any]) -> FeedPlace:
    return FeedPlace(place["epoch"], place["position"], UUID(place["event_id"]) if place["event_id"] else None)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _query(q: str) -> Query:
    """The query that a text stands for. Raises `Problem("validation-failed")`, which points at what is wrong."""
    try:
        return parse(q)
    except QueryInvalid as invalid:
        error = {"query": "q", "message": str(invalid), "position": invalid.position, "length": invalid.length}
        raise Problem("validation-failed", errors=[error]) from None


def _place_of(cursor: str | None) -> Place | None:
    """Where a list goes on. Raises `Problem("validation-failed")` for a text that is no cursor of it."""
    try:
        return Place.from_text(cursor) if cursor is not None else None
    except ValueError:
        errors = [{"query": "cursor", "message": "Not a cursor of this list."}]
        raise Problem("validation-failed", errors=errors) from None
