"""Operations on corrections of the record."""

from __future__ import annotations

from uuid import UUID

from services.audit.application import Audit
from services.audit.corrections.aggregate import Correction
from services.audit.log import queries
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.service.wiring import command_of


class Corrections:
    """What officers state to be wrong in the log, in which nothing is ever changed."""

    app: Audit

    @operation
    def correct_record(self, call: Call, record_id: str, reason: str, replaced_by: str | None = None) -> Outcome:
        """States that a record is wrong. Both records must be in the log, or it is `not-found`."""
        with reading(self.app.engine) as connection:
            subjects = queries.subjects_of(connection, UUID(record_id))
            if replaced_by:
                queries.subjects_of(connection, UUID(replaced_by))

        def correct(work: UnitOfWork) -> Outcome:
            correction = Correction(work.new_id())
            work.record(
                correction,
                correction.state(
                    UUID(record_id),
                    reason,
                    replaced_by=UUID(replaced_by) if replaced_by else None,
                    subjects=subjects,
                    now=work.now,
                ),
            )
            return {
                "correction_id": str(correction.id),
                "record_id": str(work.staged[-1][1].event_id),
                **position(correction),
            }

        return self.app.store.perform(command_of(call), correct)
