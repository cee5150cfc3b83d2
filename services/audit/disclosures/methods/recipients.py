"""Operations on the register of recipients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.audit.application import Audit
from services.audit.disclosures import queries as disclosure_queries
from services.audit.disclosures.aggregate.recipients import Particulars, Recipient
from services.audit.log.asking import keep_question
from services.audit.log.queries import published_size
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.events import Event
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.runtime import clock
from shared.service.wiring import command_of


class Recipients:
    """To whom personal data may be disclosed."""

    app: Audit

    @operation
    def enter_recipient(self, call: Call, kind: str, **particulars: Any) -> Outcome:
        def enter(work: UnitOfWork) -> Outcome:
            recipient = Recipient(work.new_id())
            work.record(recipient, recipient.enter(kind, _particulars(work.now, **particulars), now=work.now))
            return _told(recipient)

        return self.app.store.perform(command_of(call), enter)

    @operation
    def revise_recipient(self, call: Call, recipient_id: str, **particulars: Any) -> Outcome:
        return self._decide(
            call,
            recipient_id,
            lambda recipient, now: recipient.revise(_particulars(now, **particulars), now=now),
        )

    @operation
    def end_recipient(self, call: Call, recipient_id: str) -> Outcome:
        return self._decide(call, recipient_id, lambda recipient, now: recipient.end(now=now))

    @operation
    def list_recipients(
        self, call: Call, as_of: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> dict[str, Any]:
        moment = datetime.fromisoformat(as_of) if as_of else clock.now()
        with reading(self.app.engine) as connection:
            page = disclosure_queries.recipients(connection, moment, UUID(cursor) if cursor else None, limit)
        keep_question(self.app.store, call, "recipients", subjects=[], size=page["checkpoint"])
        return page

    @operation
    def read_recipient(self, call: Call, recipient_id: str) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            found = disclosure_queries.recipient(connection, UUID(recipient_id))
        query = f"recipient:{recipient_id}"
        keep_question(self.app.store, call, "recipients", subjects=[], query=query, size=found["checkpoint"])
        return found

    @operation
    def list_recipient_kinds(self, call: Call) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            size, found = published_size(connection), disclosure_queries.kinds_in_use(connection)
        keep_question(self.app.store, call, "recipients", subjects=[], size=size)
        return found

    def _decide(
        self, call: Call, recipient_id: str, decide: Callable[[Recipient, datetime], Iterator[Event]]
    ) -> Outcome:
        def perform(work: UnitOfWork) -> Outcome:
            recipient = work.load(Recipient, UUID(recipient_id))
            work.record(recipient, decide(recipient, work.now))
            return _told(recipient)

        return self.app.store.perform(command_of(call), perform)


def _particulars(
    now: datetime,
    *,
    legal_name: str,
    role: str,
    country: str,
    transfer_mechanism: str,
    document_reference: str,
    carries: Sequence[str],
    valid_from: str | None,
    valid_until: str | None,
) -> Particulars:
    """What is sent about a recipient; without `valid_from` it holds from now on."""
    return Particulars(
        legal_name,
        role,
        country,
        transfer_mechanism,
        document_reference,
        datetime.fromisoformat(valid_from) if valid_from else now,
        datetime.fromisoformat(valid_until) if valid_until else None,
        carries,
    )


def _told(recipient: Recipient) -> Outcome:
    return {
        "recipient_id": str(recipient.id),
        "recipient_version": len(recipient.versions),
        **position(recipient),
    }
