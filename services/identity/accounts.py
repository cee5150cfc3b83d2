"""The account: a person, their profile and their consents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.contracts.events import Event
from shared.contracts.identity import (
    AccountDataErased,
    AccountErased,
    AccountProfileChanged,
    AccountRegistered,
    ConsentGranted,
    ConsentWithdrawn,
)
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import POLICY_VERSIONS
from shared.eventstore.aggregates import Aggregate, evolve
from shared.privacy.fields import Erased

PersonalText = str | Erased | None


@dataclass(frozen=True)
class Registration:
    """What a person tells us, and agrees to, when they register."""

    email: str
    name: str
    time_zone: str
    country: str
    age_stated: bool
    policy_version: str
    referral: str | None = None


@dataclass
class Account(Aggregate):
    """One person with an account. Its id is also their subject id."""

    id: UUID
    guards: list[str] = field(default_factory=list)
    email: PersonalText = None
    name: PersonalText = None
    time_zone: PersonalText = None
    country: PersonalText = None
    registered_at: datetime | None = None
    erased: bool = False
    consents: dict[str, datetime] = field(default_factory=dict)

    def register(self, guard: str, registration: Registration, *, now: datetime) -> Iterator[Event]:
        if not registration.age_stated:
            raise Problem("age-statement-required")
        if registration.policy_version not in POLICY_VERSIONS:
            raise Problem("policy-version-unknown")
        yield AccountRegistered(
            account_id=self.id,
            guard=guard,
            email=registration.email,
            name=registration.name,
            time_zone=registration.time_zone,
            country=registration.country,
            age_stated=registration.age_stated,
            policy_version=registration.policy_version,
            locale=None,
            referral=registration.referral,
            registered_at=now,
        )

    def change_profile(self, changes: dict[str, str], *, now: datetime) -> Iterator[Event]:
        """Records what differs; a change to what already stands is no event."""
        self._must_exist()
        differing = {name: value for name, value in changes.items() if getattr(self, name) != value}
        if differing:
            yield AccountProfileChanged(
                account_id=self.id,
                name=differing.get("name"),
                time_zone=differing.get("time_zone"),
                country=differing.get("country"),
                username=differing.get("username"),
                locale=differing.get("locale"),
                changed_at=now,
            )

    def grant_consent(self, purpose: str, *, now: datetime) -> Iterator[Event]:
        self._must_exist()
        if purpose in self.consents:
            raise Problem("consent-already-given", purpose=purpose)
        yield ConsentGranted(account_id=self.id, purpose=purpose, effective_at=now)

    def withdraw_consent(self, purpose: str, *, now: datetime) -> Iterator[Event]:
        self._must_exist()
        if purpose not in self.consents:
            raise Problem("consent-not-given", purpose=purpose)
        yield ConsentWithdrawn(account_id=self.id, purpose=purpose, effective_at=now)

    def erase(self, *, now: datetime) -> Iterator[Event]:
        """Ends what they consented to and says that their keys were destroyed; saying it again is no event."""
        if not self.registered_at:
            raise Problem("account-not-found")
        for purpose in list(self.consents):
            yield ConsentWithdrawn(account_id=self.id, purpose=purpose, effective_at=now)
        if not self.erased:
            yield AccountErased(account_id=self.id, erased_at=now)

    def erase_category(self, category: str, *, now: datetime) -> Iterator[Event]:
        """Says that the keys of one category of their data were destroyed."""
        if not self.registered_at:
            raise Problem("account-not-found")
        yield AccountDataErased(account_id=self.id, category=category, erased_at=now)

    def _must_exist(self) -> None:
        if not self.registered_at:
            raise Problem("account-not-found")
        if self.erased:
            raise Problem("subject-erased")

    @evolve
    def _registered(self, event: AccountRegistered) -> None:
        self.guards.append(event.guard)
        self.email = event.email
        self.name = event.name
        self.time_zone = event.time_zone
        self.country = event.country
        self.registered_at = event.registered_at

    @evolve
    def _profile_changed(self, event: AccountProfileChanged) -> None:
        self.name = event.name or self.name
        self.time_zone = event.time_zone or self.time_zone
        self.country = event.country or self.country

    @evolve
    def _consent_granted(self, event: ConsentGranted) -> None:
        self.consents[event.purpose] = event.effective_at

    @evolve
    def _consent_withdrawn(self, event: ConsentWithdrawn) -> None:
        del self.consents[event.purpose]

    @evolve
    def _data_erased(self, event: AccountDataErased) -> None:
        """Nothing to change: what cannot be read any more already reads as erased."""

    @evolve
    def _erased(self, event: AccountErased) -> None:
        self.erased = True
