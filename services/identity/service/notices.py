"""Operations on notices: what a person wants to be told, what they were told, and what everybody is to be told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from services.identity import notice_queries
from services.identity.announcements import Announcement, Wording
from services.identity.notices import Preferences
from services.identity.service.application import Identity
from services.identity.service.recognising import must_be_of_the_house
from shared.bus.actors import GATEWAY, OPERATOR, Call
from shared.bus.operations import operation
from shared.contracts.events import Event
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.runtime.wiring import command_of


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
