"""Choices about cookies, of one subject: a visitor, or the person of an account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from shared.contracts.events import Event
from shared.contracts.identity import (
    BrowserSignalHeard,
    CookieConsentCarriedOver,
    CookieConsentGranted,
    CookieConsentRefused,
    CookieConsentWithdrawn,
)
from shared.contracts.vocabulary import SHARING, SIGNAL_PURPOSES
from shared.eventstore.aggregates import Aggregate, evolve

CHOICE_LIFETIME = timedelta(days=365)
"""How long a choice counts. A refusal counts as long as a grant: nobody is asked again sooner because they said no."""

ChoiceEvent = CookieConsentGranted | CookieConsentRefused | CookieConsentWithdrawn


@dataclass(frozen=True)
class Choice:
    """What somebody said themselves, in answer to which words, and until when it counts."""

    state: str
    wording_version: str
    effective_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Objection:
    """What the browser said for somebody. Of a person with an account it counts without end."""

    effective_at: datetime
    expires_at: datetime | None = None
    state: str = "objected"


Standings = Mapping[str, Choice | Objection]
"""How each purpose stands of which anything was said."""


def in_force(standings: Standings, now: datetime) -> dict[str, Choice | Objection]:
    """What has not expired."""
    return {
        purpose: standing
        for purpose, standing in standings.items()
        if standing.expires_at is None or now < standing.expires_at
    }


def as_heard(standings: Standings, now: datetime) -> dict[str, Choice | Objection]:
    """What is in force for a browser that sends its signal, as it will be recorded with the next choice.

    The signal counts when it is first heard, against sharing and against analytics. What somebody says in answer to
    our own words after that is the stronger word on analytics, however often the browser repeats itself.
    """
    standing = in_force(standings, now)
    if SHARING not in standing:
        standing |= dict.fromkeys(SIGNAL_PURPOSES, Objection(now))
    return standing


def remembered_until(standings: Standings, now: datetime) -> datetime | None:
    """Until when there is something to know a visitor again for; None if there is nothing."""
    return max((each.expires_at for each in in_force(standings, now).values() if each.expires_at), default=None)


@dataclass
class CookieChoices(Aggregate, stream="cookiechoices"):
    """A visitor's id is random and made when they first choose; that of a person with an account is the account's."""

    id: UUID
    standings: dict[str, Choice | Objection] = field(default_factory=dict)

    def hear_signal(self, *, until: datetime | None, now: datetime) -> Iterator[Event]:
        """Records that the browser objects; hearing it again is no event."""
        if SHARING not in in_force(self.standings, now):
            for purpose in SIGNAL_PURPOSES:
                yield self._objected(purpose, until=until, now=now)

    def choose(self, allowed: Mapping[str, bool], wording_version: str, *, now: datetime) -> Iterator[Event]:
        """Records what was allowed and what was not; the same choice in answer to the same words is no event."""
        before = in_force(self.standings, now)
        for purpose, yes in allowed.items():
            standing = before.get(purpose)
            granted = standing is not None and standing.state == "granted"
            if isinstance(standing, Choice) and (granted, standing.wording_version) == (yes, wording_version):
                continue
            refusal = CookieConsentWithdrawn if granted else CookieConsentRefused
            kind = CookieConsentGranted if yes else refusal
            yield self._chosen(kind, purpose, wording_version, until=now + CHOICE_LIFETIME, now=now)

    def take_over(self, visitor: CookieChoices, *, now: datetime) -> Iterator[Event]:
        """Begins with what a visitor chose, in answer to the same words and for the same time."""
        for purpose, standing in in_force(visitor.standings, now).items():
            if isinstance(standing, Objection):
                yield self._objected(purpose, until=None, now=now)
            else:
                kind = CookieConsentGranted if standing.state == "granted" else CookieConsentRefused
                yield self._chosen(kind, purpose, standing.wording_version, until=standing.expires_at, now=now)

    def carry_over(self, account_id: UUID, *, now: datetime) -> Iterator[Event]:
        """Ends a visitor, whose choices are those of an account from now on."""
        for purpose in in_force(self.standings, now):
            yield CookieConsentCarriedOver(visitor_id=self.id, account_id=account_id, purpose=purpose, effective_at=now)

    def end(self, *, now: datetime) -> Iterator[Event]:
        """Takes back what is allowed, for a person who is erased."""
        for purpose, standing in in_force(self.standings, now).items():
            if isinstance(standing, Choice) and standing.state == "granted":
                yield self._chosen(
                    CookieConsentWithdrawn, purpose, standing.wording_version, until=standing.expires_at, now=now
                )

    def _chosen(
        self, kind: type[ChoiceEvent], purpose: str, wording_version: str, *, until: datetime, now: datetime
    ) -> ChoiceEvent:
        return kind(
            subject_id=self.id, purpose=purpose, wording_version=wording_version, effective_at=now, expires_at=until
        )

    def _objected(self, purpose: str, *, until: datetime | None, now: datetime) -> BrowserSignalHeard:
        return BrowserSignalHeard(subject_id=self.id, purpose=purpose, signal="gpc", effective_at=now, expires_at=until)

    @evolve
    def _granted(self, event: CookieConsentGranted) -> None:
        self.standings[event.purpose] = _choice("granted", event)

    @evolve
    def _refused(self, event: CookieConsentRefused) -> None:
        self.standings[event.purpose] = _choice("refused", event)

    @evolve
    def _withdrawn(self, event: CookieConsentWithdrawn) -> None:
        self.standings[event.purpose] = _choice("withdrawn", event)

    @evolve
    def _signal_heard(self, event: BrowserSignalHeard) -> None:
        self.standings[event.purpose] = Objection(event.effective_at, event.expires_at)

    @evolve
    def _carried_over(self, event: CookieConsentCarriedOver) -> None:
        self.standings.pop(event.purpose, None)


def _choice(state: str, event: ChoiceEvent) -> Choice:
    return Choice(state, event.wording_version, event.effective_at, event.expires_at)
