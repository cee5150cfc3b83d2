"""Operations on notices: what a person wants to be told, what they were told, and what everybody is to be told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from services.identity.access.recognising import must_be_of_the_house
from services.identity.accounts.aggregate import Account
from services.identity.application import Identity
from services.identity.notices import queries as notice_queries
from services.identity.notices import unsubscribing
from services.identity.notices.aggregate import Announcement, Wording
from services.identity.notices.kinds import EMAIL, KINDS, Preferences
from shared.bus.actors import GATEWAY, OPERATOR, Call
from shared.bus.operations import operation
from shared.contracts.events import Event
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.service.wiring import command_of


class Notices:
    """What people are told, and what they say to that."""

    app: Identity

    @operation
    def list_notices(self, call: Call, cursor: str | None, limit: int) -> dict[str, Any]:
        before = UUID(cursor) if cursor else None
        with reading(self.app.store.engine) as connection:
            return notice_queries.notices(connection, self.app.store.keyring, UUID(call.actor.id), before, limit)

    @operation
    def read_notice_preferences(self, call: Call) -> dict[str, Any]:
        with reading(self.app.store.engine) as connection:
            return {"items": notice_queries.preferences(connection, UUID(call.actor.id))}

    @operation
    def choose_notices(self, call: Call, items: list[dict[str, Any]]) -> Outcome:
        """Replaces what a person wants to be told by which channel; what they do not name, they want."""
        wanted = {(item["kind"], item["channel"]): item["wanted"] for item in items}
        return self._let_prefer(call, lambda preferences, now: preferences.choose(wanted, now=now))

    @operation
    def object_to_notices(self, call: Call, kind: str) -> Outcome:
        return self._let_prefer(call, lambda preferences, now: preferences.object_to(kind, now=now))

    @operation
    def withdraw_objection(self, call: Call, kind: str) -> Outcome:
        return self._let_prefer(call, lambda preferences, now: preferences.withdraw_objection(kind, now=now))

    @operation
    def read_unsubscription(self, call: Call, token: str) -> dict[str, Any]:
        """Which notices a link would end. Looking at it ends nothing: mail programs follow links by themselves."""
        with reading(self.app.store.engine) as connection:
            return {"kind": unsubscribing.find(connection, token).kind}

    @operation
    def unsubscribe(self, call: Call, token: str) -> Outcome:
        """Takes back what notices of the link's kind rest on: the consent, or else that they are wanted by mail.

        Where that was taken back already, nothing happens.
        """

        def unsubscribe(work: UnitOfWork) -> Outcome:
            link = unsubscribing.find(work.connection, token)
            purpose = KINDS[link.kind].consent
            if purpose is None:
                preferences = work.load(Preferences, link.account_id)
                work.record(preferences, preferences.turn_off(link.kind, EMAIL, now=work.now))
            else:
                account = work.load(Account, link.account_id)
                if purpose in account.consents:
                    work.record(account, account.withdraw_consent(purpose, now=work.now))
            return {"kind": link.kind}

        return self.app.store.perform(command_of(call), unsubscribe)

    @operation(principals=[GATEWAY, OPERATOR])
    def publish_announcement(self, call: Call, kind: str, wordings: list[dict[str, str]]) -> Outcome:
        """Lets everybody whom a kind of notice reaches be told the same, each in their language."""
        words = {each["language"]: Wording(each["subject"], each["text"]) for each in wordings}

        def publish(work: UnitOfWork) -> Outcome:
            must_be_of_the_house(work, call, ("staff",))
            announcement = Announcement(work.new_id())
            work.record(announcement, announcement.publish(kind, words, now=work.now))
            return {"announcement_id": str(announcement.id), **position(announcement)}

        return self.app.store.perform(command_of(call), publish)

    def _let_prefer(self, call: Call, decide: Callable[[Preferences, datetime], Iterator[Event]]) -> Outcome:
        """Lets a person decide about what they want to be told."""

        def perform(work: UnitOfWork) -> Outcome:
            preferences = work.load(Preferences, UUID(call.actor.id))
            work.record(preferences, decide(preferences, work.now))
            return position(preferences)

        return self.app.store.perform(command_of(call), perform)
