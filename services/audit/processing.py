"""What the house does with personal data, in general."""

from __future__ import annotations

from typing import Any

from services.audit.application import Audit
from services.audit.log import queries
from services.audit.log.asking import keep_question
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.eventstore.transaction import reading
from shared.privacy.data_map import register


class Processing:
    """The record of processing activities (Art. 30 GDPR), as this code has it."""

    app: Audit

    @operation
    def read_processing_register(self, call: Call) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            size = queries.published_size(connection)
        keep_question(self.app.store, call, "processing_register", subjects=[], size=size)
        return register()
