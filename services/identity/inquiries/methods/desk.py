"""Operations of staff on inquiries: reading, answering, assigning and ending them, and notes for the house alone.

Compliance officers do the same with inquiries about law and privacy. To them all others are not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from services.identity.access.recognising import must_have_second_factor
from services.identity.accounts.aggregate import Account, PersonalText
from services.identity.application import Identity
from services.identity.inquiries import queries as inquiry_queries
from services.identity.inquiries.aggregate import KINDS_OF_GUARD, Inquiry
from services.identity.inquiries.internal_notes import queries as internal_note_queries
from services.identity.inquiries.internal_notes.aggregate import InternalNote
from services.identity.inquiries.methods.inquiries import keep_link
from services.identity.inquiries.queries import Selection
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.events import Event
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import position
from shared.eventstore.limits import Limit
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.service.wiring import command_of

NOTES = Limit("too-many-notes", most=100)
"""About one inquiry."""


class InquiryDesk:
    """What the house does about what people write in about."""

    app: Identity

    @operation
    def list_inquiries(
        self,
        call: Call,
        kind: str | None,
        state: str | None,
        assigned_to: str | None,
        cursor: str | None,
        limit: int,
    ) -> dict[str, Any]:
        """Inquiries of the kinds that the guard deals with; reports of children that are not closed come first."""
        kinds = [each for each in _kinds(call) if kind in (None, each)]
        selection = Selection(kinds, state, UUID(assigned_to) if assigned_to else None)
        with reading(self.app.store.engine) as connection:
            must_have_second_factor(connection, call)
            return inquiry_queries.inquiries_for_staff(connection, selection, UUID(cursor) if cursor else None, limit)

    @operation
    def read_inquiry(self, call: Call, inquiry_id: str) -> dict[str, Any]:
        with reading(self.app.store.engine) as connection:
            must_have_second_factor(connection, call)
            return inquiry_queries.thread_for_staff(connection, self.app.store.keyring, UUID(inquiry_id), _kinds(call))

    @operation
    def answer_inquiry(self, call: Call, inquiry_id: str, text: str) -> Outcome:
        """Answers a person in the thread and by mail."""

        def answer(work: UnitOfWork, inquiry: Inquiry) -> Outcome:
            message_id = work.new_id()
            answering = inquiry.answer(
                text,
                by=UUID(call.actor.id),
                to=_address(work, inquiry),
                message_id=message_id,
                request_id=work.new_id(),
                now=work.now,
            )
            work.record(inquiry, answering)
            keep_link(self.app, work, inquiry)
            return {"message_id": str(message_id)}

        return self._deal_with(call, inquiry_id, answer)

    @operation
    def assign_inquiry(self, call: Call, inquiry_id: str, assigned_to: str) -> Outcome:
        """Gives an inquiry to a colleague. Raises `Problem("assignee-refused")` if they do not deal with its kind."""

        def assign(work: UnitOfWork, inquiry: Inquiry) -> Outcome:
            colleague = work.load(Account, UUID(assigned_to))
            dealt_with = [kind for guard in colleague.guards for kind in KINDS_OF_GUARD.get(guard, ())]
            if colleague.erased or colleague.deactivated or inquiry.kind not in dealt_with:
                raise Problem("assignee-refused")
            work.record(inquiry, inquiry.assign(colleague.id, now=work.now))
            return {}

        return self._deal_with(call, inquiry_id, assign)

    @operation
    def unassign_inquiry(self, call: Call, inquiry_id: str) -> Outcome:
        return self._let_staff_decide(call, inquiry_id, lambda inquiry, now: inquiry.assign(None, now=now))

    @operation
    def reclassify_inquiry(self, call: Call, inquiry_id: str, kind: str, request_type: str | None = None) -> Outcome:
        return self._let_staff_decide(
            call, inquiry_id, lambda inquiry, now: inquiry.reclassify(kind, request_type, now=now)
        )

    @operation
    def close_inquiry(self, call: Call, inquiry_id: str) -> Outcome:
        return self._let_staff_decide(call, inquiry_id, lambda inquiry, now: inquiry.close(now=now))

    @operation
    def reopen_inquiry(self, call: Call, inquiry_id: str) -> Outcome:
        return self._let_staff_decide(call, inquiry_id, lambda inquiry, now: inquiry.reopen(now=now))

    @operation
    def report_child(self, call: Call, inquiry_id: str, account_id: str | None = None) -> Outcome:
        """Marks that an inquiry is about data of a child, and whose account that is, if it is known."""

        def report(work: UnitOfWork, inquiry: Inquiry) -> Outcome:
            child = UUID(account_id) if account_id else None
            if child is not None and work.load(Account, child).version == 0:
                raise Problem("not-found")
            work.record(inquiry, inquiry.report_child(child, now=work.now))
            return {}

        return self._deal_with(call, inquiry_id, report)

    @operation
    def add_internal_note(self, call: Call, inquiry_id: str, text: str) -> Outcome:
        def add(work: UnitOfWork) -> Outcome:
            inquiry = _loaded(work, call, inquiry_id)
            NOTES.reserve(
                work.connection,
                inquiry.id,
                lambda: internal_note_queries.count_internal_notes(work.connection, inquiry.id),
            )
            assert inquiry.person_id is not None
            note = InternalNote(work.new_id())
            work.record(note, note.add(inquiry.id, inquiry.person_id, text, by=UUID(call.actor.id), now=work.now))
            return {"note_id": str(note.id), **position(note)}

        return self.app.store.perform(command_of(call), add)

    @operation
    def list_internal_notes(self, call: Call, inquiry_id: str) -> dict[str, Any]:
        with reading(self.app.store.engine) as connection:
            must_have_second_factor(connection, call)
            if inquiry_queries.kind_of(connection, UUID(inquiry_id)) not in _kinds(call):
                raise Problem("not-found")
            notes = internal_note_queries.internal_notes(connection, self.app.store.keyring, UUID(inquiry_id))
        return {"items": notes}

    def _let_staff_decide(
        self, call: Call, inquiry_id: str, decide: Callable[[Inquiry, datetime], Iterator[Event]]
    ) -> Outcome:
        """Lets staff change an inquiry in a way that takes nothing but the inquiry and the time."""

        def deal(work: UnitOfWork, inquiry: Inquiry) -> Outcome:
            work.record(inquiry, decide(inquiry, work.now))
            return {}

        return self._deal_with(call, inquiry_id, deal)

    def _deal_with(self, call: Call, inquiry_id: str, deal: Callable[[UnitOfWork, Inquiry], Outcome]) -> Outcome:
        """Lets staff change an inquiry that is theirs to deal with, and says what they can do about it then."""

        def perform(work: UnitOfWork) -> Outcome:
            inquiry = _loaded(work, call, inquiry_id)
            done = deal(work, inquiry)
            return {
                "inquiry_id": inquiry_id,
                "state": inquiry.state,
                "actions": inquiry.standing.actions_of_staff(),
                **done,
                **position(inquiry),
            }

        return self.app.store.perform(command_of(call), perform)


def _loaded(work: UnitOfWork, call: Call, inquiry_id: str) -> Inquiry:
    must_have_second_factor(work.connection, call)
    inquiry = work.load(Inquiry, UUID(inquiry_id))
    inquiry.must_concern(call.actor.kind)
    return inquiry


def _kinds(call: Call) -> tuple[str, ...]:
    """The kinds of inquiry that the caller deals with: none, for whoever is not of the house."""
    return KINDS_OF_GUARD.get(call.actor.kind, ())


def _address(work: UnitOfWork, inquiry: Inquiry) -> PersonalText:
    """Where a person is answered: at the address of their account, or else at the one that they left."""
    if not inquiry.has_account:
        return inquiry.email
    assert inquiry.person_id is not None
    return work.load(Account, inquiry.person_id).email
