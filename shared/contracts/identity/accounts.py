"""Events of accounts: who holds one, how they sign in, and what was erased."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import Length, OneOf, Range

from shared.contracts.categories import Category
from shared.contracts.events import event
from shared.contracts.fields import Erased, personal, public, subject
from shared.contracts.times import Moment
from shared.contracts.versions import PolicyVersion
from shared.contracts.vocabulary import (
    DEACTIVATIONS,
    GUARDS,
    LOCALES,
    PASSWORD_CHANGES,
    SECOND_FACTOR_ENDINGS,
    STAFF_GUARDS,
    VERIFICATIONS,
)


@event(version=1)
class AccountRegistered:
    """A person has an account, stated to be of age, and accepted a version of the privacy policy."""

    account_id: UUID = subject()
    guard: str = public(fields.String(required=True, validate=OneOf(GUARDS)))
    email: str | Erased = personal(fields.Email(required=True), Category.IDENTITY, of="account_id")
    name: str | Erased = personal(
        fields.String(required=True, validate=Length(1, 200)), Category.IDENTITY, of="account_id"
    )
    time_zone: str | Erased = personal(fields.String(required=True), Category.IDENTITY, of="account_id")
    country: str | Erased = personal(
        fields.String(required=True, validate=Length(equal=2)), Category.IDENTITY, of="account_id"
    )
    age_stated: bool = public(fields.Boolean(required=True))
    policy_version: str = public(PolicyVersion(required=True))
    locale: str | Erased | None = personal(fields.String(validate=OneOf(LOCALES)), Category.IDENTITY, of="account_id")
    referral: str | Erased | None = personal(
        fields.String(validate=Length(1, 500)), Category.TECHNICAL, of="account_id"
    )
    registered_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountRegistrationRepeated:
    """Somebody tried to register with the address of an account, whose person is told."""

    account_id: UUID = subject()
    attempted_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountProfileChanged:
    """A person corrected their profile; only what changed is present."""

    account_id: UUID = subject()
    name: str | Erased | None = personal(fields.String(validate=Length(1, 200)), Category.IDENTITY, of="account_id")
    time_zone: str | Erased | None = personal(fields.String(), Category.IDENTITY, of="account_id")
    country: str | Erased | None = personal(fields.String(validate=Length(equal=2)), Category.IDENTITY, of="account_id")
    username: str | Erased | None = personal(fields.String(validate=Length(3, 30)), Category.IDENTITY, of="account_id")
    locale: str | Erased | None = personal(fields.String(validate=OneOf(LOCALES)), Category.IDENTITY, of="account_id")
    changed_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountImageChanged:
    """A person chose a picture of themselves, or took it away: then there is none. JPEG, base64."""

    account_id: UUID = subject()
    image: str | Erased | None = personal(
        fields.String(validate=Length(1, 200_000)), Category.IDENTITY, of="account_id"
    )
    changed_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountVerificationRequested:
    """A message was asked for with which a person shows that the address of their account is theirs."""

    account_id: UUID = subject()
    request_id: UUID = public(fields.UUID(required=True))
    expires_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountVerified:
    """A person showed that the address of their account is theirs."""

    account_id: UUID = subject()
    how: str | None = public(fields.String(validate=OneOf(VERIFICATIONS)))
    verified_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountEmailChangeRequested:
    """A person wants another address; it counts once it has been confirmed from there."""

    account_id: UUID = subject()
    request_id: UUID = public(fields.UUID(required=True))
    new_email: str | Erased = personal(fields.Email(required=True), Category.IDENTITY, of="account_id")
    expires_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountEmailChanged:
    """The new address was confirmed and is that of the account; the old one, unless it was erased, is told."""

    account_id: UUID = subject()
    email: str | Erased = personal(fields.Email(required=True), Category.IDENTITY, of="account_id")
    previous_email: str | Erased | None = personal(fields.Email(), Category.IDENTITY, of="account_id")
    changed_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountPasswordResetRequested:
    """A message was asked for with which a person who forgot their password can choose another."""

    account_id: UUID = subject()
    request_id: UUID = public(fields.UUID(required=True))
    expires_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountPasswordChanged:
    """A person has another password; their other sessions, their tokens and links ended with the old one."""

    account_id: UUID = subject()
    how: str = public(fields.String(required=True, validate=OneOf(PASSWORD_CHANGES)))
    changed_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountGuardAdded:
    """An account holds one more guard; for one of the house, `request_id` is the request that was approved."""

    account_id: UUID = subject()
    guard: str = public(fields.String(required=True, validate=OneOf(GUARDS)))
    request_id: UUID | None = public(fields.UUID())
    added_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountGuardRevoked:
    """An account does not hold a guard of the house any more."""

    account_id: UUID = subject()
    guard: str = public(fields.String(required=True, validate=OneOf(STAFF_GUARDS)))
    revoked_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountDeactivated:
    """Nobody can sign in to an account any more; what it holds stays."""

    account_id: UUID = subject()
    how: str = public(fields.String(required=True, validate=OneOf(DEACTIVATIONS)))
    deactivated_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountReactivated:
    """A deactivated account can be signed in to again."""

    account_id: UUID = subject()
    reactivated_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountSecondFactorEnabled:
    """A person signs in with a code of their authenticator as well."""

    account_id: UUID = subject()
    enabled_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountSecondFactorDisabled:
    """A person signs in with their password alone."""

    account_id: UUID = subject()
    how: str = public(fields.String(required=True, validate=OneOf(SECOND_FACTOR_ENDINGS)))
    disabled_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountRecoveryCodesRenewed:
    """A person got new recovery codes; the old ones are worth nothing any more."""

    account_id: UUID = subject()
    renewed_at: datetime = public(Moment(required=True))


@event(version=1)
class AccountRecoveryCodeUsed:
    """A recovery code stood in for the authenticator, once."""

    account_id: UUID = subject()
    remaining: int = public(fields.Integer(required=True, strict=True, validate=Range(min=0)))
    used_at: datetime = public(Moment(required=True))


@event(version=1, erases="account_id")
class AccountErased:
    """The keys of a person were destroyed; what was held about them under those keys can no longer be read."""

    account_id: UUID = subject()
    erased_at: datetime = public(Moment(required=True))


@event(version=1, erases="account_id")
class AccountDataErased:
    """The keys of one category of a person's data were destroyed; the person stays."""

    account_id: UUID = subject()
    category: str = public(fields.String(required=True, validate=OneOf([each.value for each in Category])))
    erased_at: datetime = public(Moment(required=True))
