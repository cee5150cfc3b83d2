"""Notices: the kinds there are and what each rests on, what a person decides about them, and what became of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.contracts.events import Event
from shared.contracts.identity import (
    NoticeFailed,
    NoticeObjectionRaised,
    NoticeObjectionWithdrawn,
    NoticePreferenceChanged,
    NoticeSent,
)
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import Aggregate, evolve

EMAIL = "email"


@dataclass(frozen=True)
class Kind:
    """What a kind of notice rests on (Art. 6(1) GDPR), and whom it reaches.

    A `refusable` one can be turned off. One with a `consent` reaches only who gave it. One that `reaches_everyone` also
    goes to people whose data is restricted, whose account is deactivated, or whose address was not confirmed.
    """

    legal_basis: str
    refusable: bool
    reaches_everyone: bool
    consent: str | None = None


KINDS: Mapping[str, Kind] = {
    "service": Kind("contract", refusable=False, reaches_everyone=True),
    "product": Kind("consent", refusable=True, reaches_everyone=False, consent="product_news"),
    "policy_update": Kind("legitimate_interests", refusable=True, reaches_everyone=False),
    "legal": Kind("legal_obligation", refusable=False, reaches_everyone=True),
}
"""A change of the policy that people must be told of by law is `legal`, and not a `policy_update`."""


@dataclass(frozen=True)
class Correspondence:
    """What a person was written, and where to. The letter is known by its name, and its words by their language."""

    account_id: UUID
    about: UUID
    kind: str
    letter: str
    address: str
    subject_line: str
    language: str


@dataclass
class Notice(Aggregate, stream="notice"):
    """One person told of one event, or not. Its id follows from both, so it is settled once."""

    id: UUID
    settled: bool = False

    def send(self, written: Correspondence, *, relied_on: UUID | None, now: datetime) -> Iterator[Event]:
        """Records that a mail server took the letter; of a notice that is settled nothing more is said.

        `relied_on` is the event of the consent that it was sent on, if its kind needs one.
        """
        if not self.settled:
            yield NoticeSent(notice_id=self.id, channel=EMAIL, relied_on=relied_on, sent_at=now, **vars(written))

    def fail(self, written: Correspondence, failure: str, *, now: datetime) -> Iterator[Event]:
        """Records that the letter will not arrive; of a notice that is settled nothing more is said."""
        if not self.settled:
            yield NoticeFailed(notice_id=self.id, channel=EMAIL, failure=failure, failed_at=now, **vars(written))

    @evolve
    def _sent(self, event: NoticeSent) -> None:
        self.settled = True

    @evolve
    def _failed(self, event: NoticeFailed) -> None:
        self.settled = True


@dataclass
class Preferences(Aggregate, stream="preferences"):
    """What a person decided about notices to them. Its id is that of their account."""

    id: UUID
    refused: set[tuple[str, str]] = field(default_factory=set)
    objections: set[str] = field(default_factory=set)

    def choose(self, wanted: Mapping[tuple[str, str], bool], *, now: datetime) -> Iterator[Event]:
        """Replaces all choices, by kind and channel; what is not named is wanted, and what stands already is no event.

        Raises `Problem("notice-not-refusable")` if a kind is not wanted that everybody is told of.
        """
        refused = {choice for choice, is_wanted in wanted.items() if not is_wanted}
        if any(not KINDS[kind].refusable for kind, _ in refused):
            raise Problem("notice-not-refusable")
        for kind, channel in sorted(refused ^ self.refused):
            yield NoticePreferenceChanged(
                account_id=self.id, kind=kind, channel=channel, wanted=(kind, channel) not in refused, changed_at=now
            )

    def turn_off(self, kind: str, channel: str, *, now: datetime) -> Iterator[Event]:
        """Ends notices of one kind by one channel; turning it off again is no event.

        Raises `Problem("notice-not-refusable")` for a kind that everybody is told of.
        """
        kept = dict.fromkeys(self.refused, False)
        return self.choose({**kept, (kind, channel): False}, now=now)

    def object_to(self, kind: str, *, now: datetime) -> Iterator[Event]:
        """Ends notices of a kind whatever else was or will be said about them; saying it again is no event."""
        if kind not in self.objections:
            yield NoticeObjectionRaised(account_id=self.id, kind=kind, raised_at=now)

    def withdraw_objection(self, kind: str, *, now: datetime) -> Iterator[Event]:
        """Lets consent and preferences count again; withdrawing what was not raised is no event."""
        if kind in self.objections:
            yield NoticeObjectionWithdrawn(account_id=self.id, kind=kind, withdrawn_at=now)

    @evolve
    def _changed(self, event: NoticePreferenceChanged) -> None:
        choice = (event.kind, event.channel)
        if event.wanted:
            self.refused.discard(choice)
        else:
            self.refused.add(choice)

    @evolve
    def _objected(self, event: NoticeObjectionRaised) -> None:
        self.objections.add(event.kind)

    @evolve
    def _withdrawn(self, event: NoticeObjectionWithdrawn) -> None:
        self.objections.discard(event.kind)
