"""Operations on disclosures: recording them, and answering to whom somebody's data went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.audit.application import Audit
from services.audit.disclosures import queries as disclosure_queries
from services.audit.disclosures.aggregate.disclosures import Disclosure, Grounds
from services.audit.disclosures.aggregate.recipients import Recipient
from services.audit.disclosures.queries import DisclosurePlace, Selection
from services.audit.log.asking import keep_question, place_of
from services.audit.log.queries import published_size
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.runtime import clock
from shared.service.wiring import command_of


class Disclosures:
    """To whom this person's data has been disclosed."""

    app: Audit

    @operation
    def record_disclosure(
        self,
        call: Call,
        recipient_id: str,
        subjects: Sequence[str],
        categories: Sequence[str],
        purpose: str,
        legal_basis: str,
        document_reference: str,
        disclosed_at: str | None,
        consent_record_id: str | None,
        withheld_until: str | None,
        withholding_reference: str | None,
    ) -> Outcome:
        """Records a disclosure that the asker answers for. Raises `Problem("subject-unknown")` for ids of nobody."""
        persons = [UUID(subject) for subject in subjects]

        def record(work: UnitOfWork) -> Outcome:
            grounds = Grounds(
                categories,
                purpose,
                legal_basis,
                document_reference,
                _time(disclosed_at) or work.now,
                UUID(consent_record_id) if consent_record_id else None,
                _time(withheld_until),
                withholding_reference,
            )
            disclosure = Disclosure(work.new_id())
            recipient = work.load(Recipient, UUID(recipient_id))
            recording = disclosure.record(
                recipient, grounds, subjects=persons, designated_by=UUID(call.actor.id), now=work.now
            )
            work.record(disclosure, recording)
            _must_be_in_the_log(work, grounds, persons)
            return {
                "disclosure_id": str(disclosure.id),
                "recorded": disclosure.version,
                **position(disclosure),
            }

        return self.app.store.perform(command_of(call), record)

    @operation
    def list_disclosures(
        self,
        call: Call,
        subject: str | None = None,
        recipient: str | None = None,
        since: str | None = None,
        until: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> dict[str, Any]:
        selection = Selection(
            UUID(subject) if subject else None, UUID(recipient) if recipient else None, _time(since), _time(until)
        )
        with reading(self.app.engine) as connection:
            page = disclosure_queries.disclosures(
                connection, selection, place_of(connection, cursor, DisclosurePlace), limit
            )
        persons = [selection.subject] if selection.subject else []
        keep_question(
            self.app.store, call, "disclosures", subjects=persons, query=str(selection), size=page["checkpoint"]
        )
        return page

    @operation
    def list_own_disclosures(self, call: Call, cursor: str | None = None, limit: int = 50) -> dict[str, Any]:
        """To whom the asker's own data was disclosed, as far as they may be told now; asking is no record."""
        with reading(self.app.engine) as connection:
            return disclosure_queries.disclosures(
                connection,
                Selection(UUID(call.actor.id)),
                place_of(connection, cursor, DisclosurePlace),
                limit,
                tellable_at=clock.now(),
            )

    @operation
    def summarise_disclosures(self, call: Call, since: str | None = None, until: str | None = None) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            size = published_size(connection)
            found = disclosure_queries.summary(connection, _day(since), _day(until))
        period = f"occurred:{since or ''}..{until or ''}" if since or until else ""
        keep_question(self.app.store, call, "disclosure_summary", subjects=[], query=period, size=size)
        return found


def _must_be_in_the_log(work: UnitOfWork, grounds: Grounds, persons: Sequence[UUID]) -> None:
    """Returns if the log knows everybody who is named, and the consent that is cited was in force then."""
    if disclosure_queries.unknown_subjects(work.connection, persons):
        raise Problem("subject-unknown")
    cited = grounds.consent_record_id
    if cited is not None and not disclosure_queries.is_consent_in_force(
        work.connection, cited, persons[0], grounds.disclosed_at
    ):
        raise Problem("consent-not-cited")


def _time(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None


def _day(written: str | None) -> date | None:
    return date.fromisoformat(written) if written else None
