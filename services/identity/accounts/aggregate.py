"""The account: a person, their profile, how they can be recognised, and their consents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from services.identity.accounts.endings import ending_of
from shared.contracts.events import Event
from shared.contracts.fields import Erased
from shared.contracts.identity import (
    AccountDataErased,
    AccountDeactivated,
    AccountEmailChanged,
    AccountEmailChangeRequested,
    AccountErased,
    AccountGuardAdded,
    AccountGuardRevoked,
    AccountImageChanged,
    AccountPasswordChanged,
    AccountPasswordResetRequested,
    AccountProfileChanged,
    AccountReactivated,
    AccountRecoveryCodesRenewed,
    AccountRecoveryCodeUsed,
    AccountRegistered,
    AccountRegistrationRepeated,
    AccountRestricted,
    AccountSecondFactorDisabled,
    AccountSecondFactorEnabled,
    AccountUnrestricted,
    AccountVerificationRequested,
    AccountVerified,
    ConsentGranted,
    ConsentWithdrawn,
    PolicyAcknowledged,
)
from shared.contracts.problems import Problem
from shared.contracts.purposes import REGISTER
from shared.contracts.vocabulary import BY_RESET, PRIVACY_POLICY, REGISTRATION
from shared.eventstore.aggregates import Aggregate, evolve

PersonalText = str | Erased | None

VERIFICATION_LIFETIME = timedelta(days=1)
EMAIL_CHANGE_LIFETIME = timedelta(hours=1)
PASSWORD_RESET_LIFETIME = timedelta(minutes=30)
BETWEEN_MESSAGES = timedelta(minutes=2)
"""Asking again for a message that was sent a moment ago changes nothing, so that nobody's mailbox can be filled."""


@dataclass(frozen=True)
class Registration:
    """What a person tells us, and agrees to, when they register."""

    email: str
    name: str
    time_zone: str
    country: str
    age_stated: bool
    policy_version: str
    locale: str | None = None
    referral: str | None = None

    def must_state_age(self) -> None:
        """Raises `Problem("age-statement-required")` for somebody who may not consent for themselves."""
        if not self.age_stated:
            raise Problem("age-statement-required")


@dataclass(frozen=True)
class LinkRequest:
    """A message with a link that was asked for, and from when on the link does not count any more."""

    id: UUID
    expires_at: datetime


@dataclass(frozen=True)
class Acknowledgement:
    """How and when a version of a policy was acknowledged for the first time."""

    how: str
    at: datetime


@dataclass(frozen=True)
class EmailChangeRequest(LinkRequest):
    """The wish for another address, which counts once it has been confirmed from there."""

    new_email: PersonalText


@dataclass
class Account(Aggregate, stream="account"):
    """One person with an account. Its id is also their subject id."""

    id: UUID
    guards: list[str] = field(default_factory=list)
    email: PersonalText = None
    name: PersonalText = None
    time_zone: PersonalText = None
    country: PersonalText = None
    username: PersonalText = None
    locale: PersonalText = None
    has_image: bool = False
    registered_at: datetime | None = None
    registration_repeated_at: datetime | None = None
    verified_at: datetime | None = None
    verification: LinkRequest | None = None
    email_change: EmailChangeRequest | None = None
    password_reset: LinkRequest | None = None
    second_factor: bool = False
    deactivated: bool = False
    restricted: bool = False
    erased: bool = False
    consents: dict[str, datetime] = field(default_factory=dict)
    acknowledged: dict[tuple[str, str], Acknowledgement] = field(default_factory=dict)

    def register(self, guard: str, registration: Registration, *, now: datetime) -> Iterator[Event]:
        """Makes the account of a person, who acknowledges by that the version of the privacy policy that they name.

        Whether that one is in force is not in the events of an account, so whoever registers somebody looks before.
        """
        registration.must_state_age()
        yield AccountRegistered(
            account_id=self.id,
            guard=guard,
            email=registration.email,
            name=registration.name,
            time_zone=registration.time_zone,
            country=registration.country,
            age_stated=registration.age_stated,
            policy_version=registration.policy_version,
            locale=registration.locale,
            referral=registration.referral,
            registered_at=now,
        )

    def repeat_registration(self, *, now: datetime) -> Iterator[Event]:
        """Lets the person be told that somebody tried to register with their address, unless they just were.

        Whoever tries is answered as if it were free, so a refusal would tell them something.
        """
        told_at = self.registration_repeated_at
        if not self.erased and (told_at is None or now >= told_at + BETWEEN_MESSAGES):
            yield AccountRegistrationRepeated(account_id=self.id, attempted_at=now)

    def change_profile(self, changes: Mapping[str, str], *, now: datetime) -> Iterator[Event]:
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

    def change_image(self, image: str | None, *, now: datetime) -> Iterator[Event]:
        """Records another picture, or that there is none; taking away what is not there is no event."""
        self._must_exist()
        if image is not None or self.has_image:
            yield AccountImageChanged(account_id=self.id, image=image, changed_at=now)

    def request_verification(self, request_id: UUID, *, now: datetime) -> Iterator[Event]:
        """Asks for the message of verification, unless it is needless or was sent a moment ago."""
        self._must_exist()
        if self.verified_at is None and not _is_recent(self.verification, VERIFICATION_LIFETIME, now):
            yield AccountVerificationRequested(
                account_id=self.id, request_id=request_id, expires_at=now + VERIFICATION_LIFETIME
            )

    def verify(self, how: str, *, now: datetime) -> Iterator[Event]:
        """Records that the address is the person's own; saying it again is no event.

        Whoever comes by a reset may be another than whoever made the account, and has consented to nothing so far.
        """
        self._must_exist()
        if self.verified_at is not None:
            return
        yield AccountVerified(account_id=self.id, how=how, verified_at=now)
        if how == BY_RESET:
            for purpose in list(self.consents):
                yield from self.withdraw_consent(purpose, now=now)

    def must_be_verified(self) -> None:
        """Raises `Problem("email-not-verified")` before somebody showed that the address of the account is theirs."""
        self._must_exist()
        if self.verified_at is None:
            raise Problem("email-not-verified")

    def request_email_change(self, request_id: UUID, new_email: str, *, now: datetime) -> Iterator[Event]:
        """Asks for the message that confirms another address; a later wish replaces this one.

        Raises `Problem("asked-too-soon")` after less than a moment, so that nobody can write to many through us.
        """
        self._must_exist()
        if _is_recent(self.email_change, EMAIL_CHANGE_LIFETIME, now):
            raise Problem("asked-too-soon")
        yield AccountEmailChangeRequested(
            account_id=self.id, request_id=request_id, new_email=new_email, expires_at=now + EMAIL_CHANGE_LIFETIME
        )

    def change_email(self, request_id: UUID, *, now: datetime) -> Iterator[Event]:
        """Makes the address that was asked for that of the account.

        Raises `Problem("link-invalid")` if this is not the last wish, or its address was erased.
        """
        self._must_exist()
        wish = self.email_change
        if wish is None or wish.id != request_id or not isinstance(wish.new_email, str):
            raise Problem("link-invalid")
        yield AccountEmailChanged(
            account_id=self.id,
            email=wish.new_email,
            previous_email=self.email if isinstance(self.email, str) else None,
            changed_at=now,
        )

    def request_password_reset(self, request_id: UUID, *, now: datetime) -> Iterator[Event]:
        """Asks for the message with which a password is reset; where that cannot be, nothing happens and none is told.

        Whoever asks need not be the person, so a refusal would tell them something.
        """
        possible = self.registered_at is not None and not self.erased and not self.deactivated
        if possible and not _is_recent(self.password_reset, PASSWORD_RESET_LIFETIME, now):
            yield AccountPasswordResetRequested(
                account_id=self.id, request_id=request_id, expires_at=now + PASSWORD_RESET_LIFETIME
            )

    def change_password(self, how: str, *, now: datetime) -> Iterator[Event]:
        self._must_exist()
        yield AccountPasswordChanged(account_id=self.id, how=how, changed_at=now)

    def add_guard(self, guard: str, request_id: UUID | None = None, *, now: datetime) -> Iterator[Event]:
        """Lets the person act under one more guard; of the house, by the request with this id, which was approved."""
        self.must_lack_guard(guard)
        yield AccountGuardAdded(account_id=self.id, guard=guard, request_id=request_id, added_at=now)

    def must_lack_guard(self, guard: str) -> None:
        """Raises `Problem("email-not-verified")` or `guard-already-held` where a guard cannot be added."""
        self.must_be_verified()
        if guard in self.guards:
            raise Problem("guard-already-held")

    def revoke_guard(self, guard: str, *, now: datetime) -> Iterator[Event]:
        """Takes a guard of the house away. Raises `Problem("guard-not-held")`."""
        self._must_exist()
        if guard not in self.guards:
            raise Problem("guard-not-held")
        yield AccountGuardRevoked(account_id=self.id, guard=guard, revoked_at=now)

    def deactivate(self, how: str, *, now: datetime) -> Iterator[Event]:
        """Closes the account to its person; doing it again is no event."""
        self._must_exist()
        if not self.deactivated:
            yield AccountDeactivated(account_id=self.id, how=how, deactivated_at=now)

    def reactivate(self, *, now: datetime) -> Iterator[Event]:
        """Opens a deactivated account again; an active one stays as it is."""
        self._must_exist()
        if self.deactivated:
            yield AccountReactivated(account_id=self.id, reactivated_at=now)

    def restrict(self, *, now: datetime) -> Iterator[Event]:
        """Lets the data of the person only be kept (Art. 18 GDPR); doing it again is no event."""
        self._must_exist()
        if not self.restricted:
            yield AccountRestricted(account_id=self.id, restricted_at=now)

    def lift_restriction(self, *, now: datetime) -> Iterator[Event]:
        """Lets the data of the person be used again; where it already may, this is no event."""
        self._must_exist()
        if self.restricted:
            yield AccountUnrestricted(account_id=self.id, unrestricted_at=now)

    def enable_second_factor(self, *, now: datetime) -> Iterator[Event]:
        self.must_lack_second_factor()
        yield AccountSecondFactorEnabled(account_id=self.id, enabled_at=now)

    def disable_second_factor(self, how: str, *, now: datetime) -> Iterator[Event]:
        self._must_have_second_factor()
        yield AccountSecondFactorDisabled(account_id=self.id, how=how, disabled_at=now)

    def renew_recovery_codes(self, *, now: datetime) -> Iterator[Event]:
        self._must_have_second_factor()
        yield AccountRecoveryCodesRenewed(account_id=self.id, renewed_at=now)

    def use_recovery_code(self, remaining: int, *, now: datetime) -> Iterator[Event]:
        self._must_have_second_factor()
        yield AccountRecoveryCodeUsed(account_id=self.id, remaining=remaining, used_at=now)

    def must_lack_second_factor(self) -> None:
        """Raises `Problem("email-not-verified")` or `second-factor-enabled` where no authenticator can be enrolled."""
        self.must_be_verified()
        if self.second_factor:
            raise Problem("second-factor-enabled")

    def acknowledge(self, policy: str, version: str, how: str, *, now: datetime) -> Iterator[Event]:
        """Records that a person knows a version of a policy; of each version that is said once."""
        self._must_exist()
        if (policy, version) not in self.acknowledged:
            yield PolicyAcknowledged(
                account_id=self.id, policy=policy, policy_version=version, how=how, acknowledged_at=now
            )

    def grant_consent(self, purpose: str, wording_version: str, *, now: datetime) -> Iterator[Event]:
        """Records that they read the words of this version and agreed.

        Raises `Problem("wording-not-in-force")` for words that are not shown any more, or never were.
        """
        self._must_exist()
        if purpose in self.consents:
            raise Problem("consent-already-given", purpose=purpose)
        asked = REGISTER[purpose]
        if wording_version != asked.wording_in_force:
            raise Problem("wording-not-in-force")
        yield ConsentGranted(
            account_id=self.id,
            purpose=purpose,
            wording_version=wording_version,
            legal_basis=asked.legal_basis,
            effective_at=now,
        )

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

    def _must_have_second_factor(self) -> None:
        self._must_exist()
        if not self.second_factor:
            raise Problem("second-factor-not-enabled")

    @evolve
    def _registered(self, event: AccountRegistered) -> None:
        self.guards.append(event.guard)
        self.email = event.email
        self.name = event.name
        self.time_zone = event.time_zone
        self.country = event.country
        self.locale = event.locale
        self.registered_at = event.registered_at
        self.acknowledged[PRIVACY_POLICY, event.policy_version] = Acknowledgement(REGISTRATION, event.registered_at)

    @evolve
    def _profile_changed(self, event: AccountProfileChanged) -> None:
        self.name = event.name or self.name
        self.time_zone = event.time_zone or self.time_zone
        self.country = event.country or self.country
        self.username = event.username or self.username
        self.locale = event.locale or self.locale

    @evolve
    def _image_changed(self, event: AccountImageChanged) -> None:
        self.has_image = event.image is not None

    @evolve
    def _verification_requested(self, event: AccountVerificationRequested) -> None:
        self.verification = LinkRequest(event.request_id, event.expires_at)

    @evolve
    def _registration_repeated(self, event: AccountRegistrationRepeated) -> None:
        self.registration_repeated_at = event.attempted_at

    @evolve
    def _verified(self, event: AccountVerified) -> None:
        self.verified_at = event.verified_at
        self._forget_links(event)

    @evolve
    def _email_change_requested(self, event: AccountEmailChangeRequested) -> None:
        self.email_change = EmailChangeRequest(event.request_id, event.expires_at, event.new_email)

    @evolve
    def _email_changed(self, event: AccountEmailChanged) -> None:
        """An address that was confirmed is verified by that."""
        self.email = event.email
        self.verified_at = event.changed_at
        self._forget_links(event)

    @evolve
    def _password_reset_requested(self, event: AccountPasswordResetRequested) -> None:
        self.password_reset = LinkRequest(event.request_id, event.expires_at)

    @evolve
    def _password_changed(self, event: AccountPasswordChanged) -> None:
        self._forget_links(event)

    @evolve
    def _guard_added(self, event: AccountGuardAdded) -> None:
        self.guards.append(event.guard)
        self._forget_links(event)

    @evolve
    def _guard_revoked(self, event: AccountGuardRevoked) -> None:
        self.guards = [each for each in self.guards if each != event.guard]
        self._forget_links(event)

    @evolve
    def _deactivated(self, event: AccountDeactivated) -> None:
        self.deactivated = True
        self._forget_links(event)

    @evolve
    def _reactivated(self, event: AccountReactivated) -> None:
        self.deactivated = False

    @evolve
    def _restricted(self, event: AccountRestricted) -> None:
        self.restricted = True

    @evolve
    def _unrestricted(self, event: AccountUnrestricted) -> None:
        self.restricted = False

    @evolve
    def _second_factor_enabled(self, event: AccountSecondFactorEnabled) -> None:
        self.second_factor = True

    @evolve
    def _second_factor_disabled(self, event: AccountSecondFactorDisabled) -> None:
        self.second_factor = False
        self._forget_links(event)

    @evolve
    def _recovery_codes_renewed(self, event: AccountRecoveryCodesRenewed) -> None:
        """Nothing to change: the codes themselves are credentials."""

    @evolve
    def _recovery_code_used(self, event: AccountRecoveryCodeUsed) -> None:
        """Nothing to change: the codes themselves are credentials."""

    @evolve
    def _consent_granted(self, event: ConsentGranted) -> None:
        self.consents[event.purpose] = event.effective_at

    @evolve
    def _consent_withdrawn(self, event: ConsentWithdrawn) -> None:
        del self.consents[event.purpose]

    @evolve
    def _acknowledged(self, event: PolicyAcknowledged) -> None:
        self.acknowledged[event.policy, event.policy_version] = Acknowledgement(event.how, event.acknowledged_at)

    @evolve
    def _data_erased(self, event: AccountDataErased) -> None:
        """Nothing to change: what cannot be read any more already reads as erased."""

    @evolve
    def _erased(self, event: AccountErased) -> None:
        self.erased = True
        self._forget_links(event)

    def _forget_links(self, event: Event) -> None:
        """Lets links be asked for anew at once, if what happened ended those that were sent."""
        if ending_of(event).links:
            self.verification = self.email_change = self.password_reset = None


def _is_recent(request: LinkRequest | None, lifetime: timedelta, now: datetime) -> bool:
    """Whether a message was asked for less than a moment ago."""
    return request is not None and now < request.expires_at - lifetime + BETWEEN_MESSAGES
