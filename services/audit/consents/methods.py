"""Operations on the history of consents."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from services.audit.application import Audit
from services.audit.consents import queries as consent_queries
from services.audit.consents import reliances
from services.audit.log import queries
from services.audit.log.asking import keep_question, place_of
from services.audit.log.queries import Place
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.purposes import REGISTER
from shared.contracts.times import rfc3339
from shared.eventstore.transaction import reading
from shared.runtime.clock import now


class Consents:
    """What people were asked and what they said, at which moment, as known when; and what rested on it."""

    app: Audit

    @operation
    def list_purposes(self, call: Call) -> dict[str, Any]:
        return {"items": [asdict(purpose) for purpose in REGISTER.values()]}

    @operation
    def list_consents(
        self,
        call: Call,
        subject: str,
        as_of: str | None = None,
        known_at: str | None = None,
        cursor: str | None = None,
        limit: int = 200,
    ) -> dict[str, Any]:
        moment, known = _time(as_of) or now(), _time(known_at)
        with reading(self.app.engine) as connection:
            place = place_of(connection, cursor, Place)
            found = consent_queries.consents(connection, UUID(subject), moment, known, place, limit)
        keep_question(self.app.store, call, "consents", subjects=[UUID(subject)], size=found["checkpoint"])
        return {"subject": subject, "as_of": rfc3339(moment), "known_at": rfc3339(known or now()), **found}

    @operation
    def read_own_receipt(self, call: Call, purpose: str) -> dict[str, Any]:
        """The receipt of what whoever asks said themselves."""
        with reading(self.app.engine) as connection:
            return consent_queries.receipt(connection, UUID(call.actor.id), purpose, now())

    @operation
    def read_receipt(self, call: Call, subject: str, purpose: str) -> dict[str, Any]:
        """The receipt of what somebody said. That there is none is an answer, too, so the question is kept first."""
        with reading(self.app.engine) as connection:
            size = queries.published_size(connection)
        keep_question(self.app.store, call, "receipt", subjects=[UUID(subject)], size=size)
        with reading(self.app.engine) as connection:
            return consent_queries.receipt(connection, UUID(subject), purpose, now())

    @operation
    def list_processing_without_basis(
        self,
        call: Call,
        since: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int = 500,
    ) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            place = place_of(connection, cursor, Place)
            found = reliances.without_basis(connection, _time(since), _time(until), place, limit)
        people = sorted({UUID(item["subject"]) for item in found["items"]})
        keep_question(self.app.store, call, "without_basis", subjects=people, size=found["checkpoint"])
        return found


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
