"""Operations on the history of consents."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from services.audit import queries
from services.audit.service.application import Audit
from services.audit.service.asking import keep_question
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.eventstore.transaction import reading
from shared.runtime.clock import now


class Consents:
    """What a person had consented to, at which moment, as known when."""

    app: Audit

    @operation
    def list_consents(
        self, call: Call, subject: str, as_of: str | None = None, known_at: str | None = None
    ) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            size = queries.published_size(connection)
            found = queries.consents(connection, UUID(subject), _time(as_of) or now(), _time(known_at))
        keep_question(self.app.store, call, "consents", subjects=[UUID(subject)], size=size)
        return found


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
