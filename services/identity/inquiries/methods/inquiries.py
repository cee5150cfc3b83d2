"""Operations on inquiries of those who write in: visitors, by the link they were sent, and people with an account.

Nothing here reads or writes internal notes; `services.identity.inquiries.methods.desk` is where staff do.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from services.identity.access import devices, throttles
from services.identity.access import queries as access_queries
from services.identity.access.aggregate.signals import Signal
from services.identity.access.evenly import evenly
from services.identity.application import Identity
from services.identity.inquiries import forms as inquiry_forms
from services.identity.inquiries import links as inquiry_links
from services.identity.inquiries import queries as inquiry_queries
from services.identity.inquiries.aggregate import Correspondent, Inquiry, Matter
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.events import contract_of
from shared.contracts.identity import InquirySpamSuspected
from shared.eventstore.aggregates import position
from shared.eventstore.limits import Limit, take_turns
from shared.eventstore.transaction import reading, writing
from shared.eventstore.work import Outcome, UnitOfWork
from shared.runtime.clock import now
from shared.service.wiring import command_of

UNSETTLED = Limit("too-many-inquiries", most=20)
"""Inquiries of a person with an account that are not closed."""
SPAM_TOLD_EVERY = timedelta(hours=1)


class Inquiries:
    """What people write in about."""

    app: Identity

    @operation
    def hand_out_inquiry_form(self, call: Call) -> dict[str, Any]:
        return {"form_token": inquiry_forms.form_token(self.app.secret, now())}

    @operation
    def receive_inquiry(
        self,
        call: Call,
        form_token: str,
        website: str,
        kind: str,
        email: str,
        text: str,
        name: str | None = None,
        request_type: str | None = None,
        troubleshooting: dict[str, Any] | None = None,
    ) -> Outcome:
        """Takes in what a visitor writes. What looks like spam is dropped, and answered in the same way."""
        with writing(self.app.store.engine) as connection:
            throttles.count_inquiry(connection, self.app.secret, email, call.client, now())
        sign = inquiry_forms.sign_of_spam(self.app.secret, form_token, website, now())
        matter = Matter(kind, text, request_type, troubleshooting)

        def receive(work: UnitOfWork) -> Outcome:
            if sign is not None:
                self._note_spam(work, call, sign)
            else:
                visitor = Correspondent(work.new_id(), has_account=False, email=email, name=name)
                open_inquiry(self.app, work, visitor, matter)
            return {}

        with evenly():
            return self.app.store.perform(command_of(call), receive)

    @operation
    def read_inquiry_thread(self, call: Call, token: str) -> dict[str, Any]:
        """Shows a visitor their thread, and changes nothing: the link can be followed again."""
        with reading(self.app.store.engine) as connection:
            inquiry_id = inquiry_links.follow(connection, token, now=now())
            return inquiry_queries.thread_of_person(connection, self.app.store.keyring, inquiry_id, now())

    @operation
    def reply_by_link(self, call: Call, token: str, text: str) -> Outcome:
        def reply(work: UnitOfWork) -> Outcome:
            inquiry = work.load(Inquiry, inquiry_links.follow(work.connection, token, now=work.now))
            return reply_in(work, inquiry, text)

        return self.app.store.perform(command_of(call), reply)

    @operation
    def renew_inquiry_link(self, call: Call, token: str) -> Outcome:
        """Sends another link, to the address the last one went to, to whoever still has that one."""

        def renew(work: UnitOfWork) -> Outcome:
            inquiry = work.load(Inquiry, inquiry_links.follow_expired(work.connection, token))
            work.record(inquiry, inquiry.renew_link(work.new_id(), now=work.now))
            keep_link(self.app, work, inquiry)
            return {}

        return self.app.store.perform(command_of(call), renew)

    @operation
    def open_own_inquiry(
        self,
        call: Call,
        kind: str,
        text: str,
        request_type: str | None = None,
        troubleshooting: dict[str, Any] | None = None,
    ) -> Outcome:
        person = Correspondent(UUID(call.actor.id), has_account=True)
        matter = Matter(kind, text, request_type, troubleshooting)

        def open_own(work: UnitOfWork) -> Outcome:
            UNSETTLED.reserve(
                work.connection,
                person.person_id,
                lambda: inquiry_queries.unsettled(work.connection, person.person_id),
            )
            inquiry = open_inquiry(self.app, work, person, matter)
            return {"inquiry_id": str(inquiry.id), "actions": _actions(inquiry, work), **position(inquiry)}

        return self.app.store.perform(command_of(call), open_own)

    @operation
    def list_own_inquiries(self, call: Call, cursor: str | None, limit: int) -> dict[str, Any]:
        with reading(self.app.store.engine) as connection:
            before = UUID(cursor) if cursor else None
            return inquiry_queries.own_inquiries(connection, UUID(call.actor.id), before, limit, now())

    @operation
    def read_own_inquiry(self, call: Call, inquiry_id: str) -> dict[str, Any]:
        with reading(self.app.store.engine) as connection:
            return inquiry_queries.thread_of_person(
                connection, self.app.store.keyring, UUID(inquiry_id), now(), person_id=UUID(call.actor.id)
            )

    @operation
    def reply_in_own_inquiry(self, call: Call, inquiry_id: str, text: str) -> Outcome:
        def reply(work: UnitOfWork) -> Outcome:
            inquiry = work.load(Inquiry, UUID(inquiry_id))
            inquiry.must_be_of(UUID(call.actor.id))
            return reply_in(work, inquiry, text)

        return self.app.store.perform(command_of(call), reply)

    def _note_spam(self, work: UnitOfWork, call: Call, sign: str) -> None:
        """Writes down that a network sends what looks like spam, once an hour however often it does."""
        network = devices.network_index(self.app.secret, call.client)
        kind = contract_of(InquirySpamSuspected).name
        take_turns(work.connection, f"{kind} {network}")
        if not access_queries.was_signalled(work.connection, kind, network, work.now - SPAM_TOLD_EVERY):
            signal = Signal(work.new_id())
            work.record(signal, signal.suspect_spam(sign, network, now=work.now))


def open_inquiry(app: Identity, work: UnitOfWork, by: Correspondent, matter: Matter) -> Inquiry:
    """Opens an inquiry, and makes the link count that a visitor is sent."""
    inquiry = Inquiry(work.new_id())
    work.record(inquiry, inquiry.open(by, matter, message_id=work.new_id(), request_id=work.new_id(), now=work.now))
    keep_link(app, work, inquiry)
    return inquiry


def keep_link(app: Identity, work: UnitOfWork, inquiry: Inquiry) -> None:
    """Makes the last link of a visitor's inquiry the one that counts; people with an account have none."""
    if inquiry.link is not None:
        inquiry_links.keep(work.connection, app.secret, inquiry.id, inquiry.link)


def reply_in(work: UnitOfWork, inquiry: Inquiry, text: str) -> Outcome:
    message_id = work.new_id()
    work.record(inquiry, inquiry.reply(text, message_id=message_id, now=work.now))
    return {"message_id": str(message_id), "actions": _actions(inquiry, work), **position(inquiry)}


def erase_person_in_inquiries(work: UnitOfWork, person_id: UUID, category: str | None) -> Inquiry | None:
    """Says in every inquiry of a person that their keys were destroyed; the last of them, if there is any."""
    inquiry = None
    for inquiry_id in inquiry_queries.inquiries_of(work.connection, person_id):
        inquiry = work.load(Inquiry, inquiry_id)
        work.record(inquiry, inquiry.erase_person(category, now=work.now))
        if inquiry.erased:
            inquiry_links.forget(work.connection, inquiry_id)
    return inquiry


def _actions(inquiry: Inquiry, work: UnitOfWork) -> list[str]:
    return inquiry.standing.actions_of_person(work.now)
