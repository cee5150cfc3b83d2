"""Which events people are told of: of which kind that is, in which letter, at which address, and with which link.

A line of the table is all that it takes, also for events of other services: their publishers are followed because they
stand here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.identity.accounts.links import EMAIL_CHANGE, INQUIRY_THREAD, INVITATION, PASSWORD_RESET, VERIFICATION
from shared.contracts.audit import PolicyPublished
from shared.contracts.events import contract_of
from shared.contracts.identity import (
    AccountDeactivated,
    AccountEmailChanged,
    AccountEmailChangeRequested,
    AccountGuardAdded,
    AccountGuardRevoked,
    AccountPasswordChanged,
    AccountPasswordResetRequested,
    AccountRecoveryCodesRenewed,
    AccountRecoveryCodeUsed,
    AccountRegistrationRepeated,
    AccountSecondFactorDisabled,
    AccountSecondFactorEnabled,
    AccountVerificationRequested,
    AnnouncementPublished,
    InquiryAnswered,
    InquiryLinkRenewed,
    InquiryOpened,
    InvitationMade,
    OrganisationMemberRoleChanged,
    SessionOpened,
    SigninCodeReplayed,
    TokenExpiryNoticed,
)
from shared.contracts.vocabulary import POLICY_LETTER, STAFF_GUARDS


@dataclass(frozen=True)
class Link:
    """A page of the browser client, and the purpose of the token that it is given.

    The token is that of what the event's field `of` names; without such a name there is no link.
    """

    path: str
    purpose: str
    of: str = "request_id"


@dataclass(frozen=True)
class Letter:
    """What is written about one type of event.

    It is written to the person in the event's field `whom`, or to everybody where that is None, and goes to the address
    in the field `to`, or else to that of the account. Of which kind it is may follow from the public fields of the
    event's data. Who is named by another field than `account_id` may have no account. `quotes` is the field with words
    of the house that stand in the letter. `concerns` looks at the public fields of the event's data.
    """

    template: str
    kind: str | Callable[[Mapping[str, Any]], str] = "service"
    whom: str | None = "account_id"
    to: str | None = None
    quotes: str | None = None
    link: Link | None = None
    concerns: Callable[[Mapping[str, Any]], bool] = lambda data: True

    def kind_of(self, data: Mapping[str, Any]) -> str:
        """The kind of the notice about an event with this data."""
        return self.kind if isinstance(self.kind, str) else self.kind(data)


_BY_EVENT = {
    AccountVerificationRequested: Letter("verify_email", link=Link("/verify-email", VERIFICATION)),
    AccountEmailChangeRequested: Letter(
        "confirm_email_change", to="new_email", link=Link("/confirm-email-change", EMAIL_CHANGE)
    ),
    AccountEmailChanged: Letter("email_changed", to="previous_email"),
    AccountPasswordResetRequested: Letter("reset_password", link=Link("/reset-password", PASSWORD_RESET)),
    AccountPasswordChanged: Letter("password_changed"),
    AccountDeactivated: Letter("account_deactivated"),
    AccountRegistrationRepeated: Letter("registration_repeated"),
    AccountGuardAdded: Letter("guard_added", concerns=lambda data: data["guard"] in STAFF_GUARDS),
    AccountGuardRevoked: Letter("guard_revoked"),
    AccountSecondFactorEnabled: Letter("second_factor_enabled"),
    AccountSecondFactorDisabled: Letter("second_factor_disabled"),
    AccountRecoveryCodesRenewed: Letter("recovery_codes_renewed"),
    AccountRecoveryCodeUsed: Letter("recovery_code_used"),
    SigninCodeReplayed: Letter("signin_code_replayed"),
    InquiryOpened: Letter(
        "inquiry_received",
        to="email",
        whom="person_id",
        link=Link("/inquiry", INQUIRY_THREAD),
        concerns=lambda data: data["has_account"] is False,
    ),
    InquiryAnswered: Letter(
        "inquiry_answered", to="email", whom="person_id", quotes="text", link=Link("/inquiry", INQUIRY_THREAD)
    ),
    InquiryLinkRenewed: Letter("inquiry_link", to="email", whom="person_id", link=Link("/inquiry", INQUIRY_THREAD)),
    InvitationMade: Letter(
        "invitation",
        whom="invitee_id",
        to="email",
        link=Link("/accept-invitation", INVITATION, of="invitation_id"),
    ),
    OrganisationMemberRoleChanged: Letter("owner_succeeded", concerns=lambda data: data.get("why") is not None),
    TokenExpiryNoticed: Letter("token_expiring"),
    SessionOpened: Letter("new_device", concerns=lambda data: data.get("new_device") is True),
    AnnouncementPublished: Letter("announcement", kind=lambda data: str(data["kind"]), whom=None),
    # Of a material change people are told whatever they said about updates.
    PolicyPublished: Letter(
        POLICY_LETTER, kind=lambda data: "legal" if data["material"] else "policy_update", whom=None
    ),
}

LETTERS: Mapping[str, Letter] = {contract_of(event).type: letter for event, letter in _BY_EVENT.items()}
"""The letters by the CloudEvents type of what they are about."""

PUBLISHERS = tuple(sorted({contract_of(event).publisher for event in _BY_EVENT}))
"""Whose events these are."""


def told_of(publisher: str) -> list[str]:
    """The types of the events of one publisher that there are letters about."""
    return [contract.type for contract in map(contract_of, _BY_EVENT) if contract.publisher == publisher]
