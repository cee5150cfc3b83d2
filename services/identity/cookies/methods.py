"""Operations on choices about cookies: of visitors, and of people with accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from services.identity.accounts import credentials
from services.identity.application import Identity
from services.identity.cookies import queries as cookie_queries
from services.identity.cookies.aggregate import (
    CHOICE_LIFETIME,
    Choice,
    CookieChoices,
    Standings,
    as_heard,
    in_force,
    remembered_until,
)
from services.identity.cookies.visitors import visitor_of, visitor_token
from shared.bus.actors import VISITOR, Call
from shared.bus.operations import operation
from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import (
    COOKIE_CATEGORIES,
    COOKIE_PURPOSES,
    COOKIE_WORDINGS,
    SHARING,
    STRICTLY_NECESSARY,
)
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.runtime.clock import now
from shared.service.wiring import command_of


class CookieConsents:
    """What people chose about cookies, with an account or without."""

    app: Identity

    @operation
    def read_cookie_choices(self, call: Call) -> dict[str, Any]:
        """How cookies stand with whoever asks. Somebody who chose nothing is nobody, and nothing is made of them."""
        subject_id = _visitor_id(self.app, call) if call.actor == VISITOR else UUID(call.actor.id)
        return _view(call, self._standings(subject_id) if subject_id else {}, now())

    @operation
    def choose_cookies(self, call: Call, preferences: bool, analytics: bool, wording_version: str) -> Outcome:
        """Keeps what somebody allows and what they refuse. A visitor is told by what their browser is known again."""
        allowed = {COOKIE_PURPOSES["preferences"]: preferences, COOKIE_PURPOSES["analytics"]: analytics}

        def choose(work: UnitOfWork) -> Outcome:
            if call.actor == VISITOR:
                choices = _visitor(self.app, work, call) or CookieChoices(work.new_id())
                _hear_signal(work, call, choices, until=work.now + CHOICE_LIFETIME)
            else:
                credentials.hold_person(work.connection, UUID(call.actor.id), or_else="subject-erased")
                choices = work.load(CookieChoices, UUID(call.actor.id))
                _hear_signal(work, call, choices, until=None)
            work.record(choices, choices.choose(allowed, wording_version, now=work.now))
            return {"subject_id": str(choices.id)}

        subject_id = UUID(self.app.store.perform(command_of(call), choose)["subject_id"])
        standings, moment = self._standings(subject_id), now()
        view = _view(call, standings, moment)
        if call.actor == VISITOR and (until := remembered_until(standings, moment)):
            view |= {"visitor_token": visitor_token(self.app.secret, subject_id), "remembered_until": rfc3339(until)}
        return view

    def _standings(self, subject_id: UUID) -> Standings:
        with reading(self.app.store.engine) as connection:
            return cookie_queries.cookie_choices(connection, subject_id)


def begin_choices(app: Identity, work: UnitOfWork, call: Call, account_id: UUID) -> None:
    """Gives a new account what its person chose as a visitor, who ends with that, and what their browser says."""
    choices = CookieChoices(account_id)
    visitor = _visitor(app, work, call)
    if visitor is not None:
        work.record(choices, choices.take_over(visitor, now=work.now))
        work.record(visitor, visitor.carry_over(account_id, now=work.now))
    _hear_signal(work, call, choices, until=None)


def hear_signal_of_person(work: UnitOfWork, call: Call, account_id: UUID) -> None:
    """Records for an account what the browser says in which its person signs in."""
    if _objects(call):
        _hear_signal(work, call, work.load(CookieChoices, account_id), until=None)


def _hear_signal(work: UnitOfWork, call: Call, choices: CookieChoices, *, until: datetime | None) -> None:
    if _objects(call):
        work.record(choices, choices.hear_signal(until=until, now=work.now))


def _objects(call: Call) -> bool:
    return call.client is not None and call.client.objects


def _visitor_id(app: Identity, call: Call) -> UUID | None:
    return visitor_of(app.secret, call.client.visitor_token) if call.client else None


def _visitor(app: Identity, work: UnitOfWork, call: Call) -> CookieChoices | None:
    """The visitor whom a browser is known by, unless everything of them has expired or is an account's by now."""
    visitor_id = _visitor_id(app, call)
    visitor = work.load(CookieChoices, visitor_id) if visitor_id else None
    return visitor if visitor and remembered_until(visitor.standings, work.now) else None


def _view(call: Call, standings: Standings, moment: datetime) -> dict[str, Any]:
    heard = _objects(call)
    known = as_heard(standings, moment) if heard else in_force(standings, moment)
    return {
        "holder": "visitor" if call.actor == VISITOR else "account",
        "wording_version": COOKIE_WORDINGS[-1],
        "signal_heard": heard,
        "sharing_objected": SHARING in known,
        "categories": [_category_view(category, known) for category in COOKIE_CATEGORIES],
    }


def _category_view(category: str, known: Standings) -> dict[str, Any]:
    standing = known.get(COOKIE_PURPOSES.get(category, ""))
    unsaid = "necessary" if category == STRICTLY_NECESSARY else "not_chosen"
    state = standing.state if standing else unsaid
    return {
        "category": category,
        "state": state,
        "allowed": state in ("necessary", "granted"),
        "wording_version": standing.wording_version if isinstance(standing, Choice) else None,
        "effective_at": standing and rfc3339(standing.effective_at),
        "expires_at": standing and standing.expires_at and rfc3339(standing.expires_at),
    }
