"""Which events people are written to about, from which template, at which address, and with which link."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.identity.links import EMAIL_CHANGE, INQUIRY_THREAD, PASSWORD_RESET, VERIFICATION
from shared.contracts.events import contract_of
from shared.contracts.identity import (
    AccountDeactivated,
    AccountEmailChanged,
    AccountEmailChangeRequested,
    AccountPasswordChanged,
    AccountPasswordResetRequested,
    AccountRecoveryCodesRenewed,
    AccountRecoveryCodeUsed,
    AccountSecondFactorDisabled,
    AccountSecondFactorEnabled,
    AccountVerificationRequested,
    InquiryAnswered,
    InquiryLinkRenewed,
    InquiryOpened,
    SessionOpened,
    SigninCodeReplayed,
)


@dataclass(frozen=True)
class Link:
    """A page of the browser client, and the purpose of the token that it is given."""

    path: str
    purpose: str


@dataclass(frozen=True)
class Letter:
    """What is written about one type of event.

    It goes to the address in the event's field `to`, or else to that of the account. `whose` is the field that names
    the person. `concerns` looks at the public fields of the event's data. `quotes` is the field with the words of staff
    that stand in the letter. An event without a `request_id` is told without a link.
    """

    template: str
    to: str | None = None
    whose: str = "account_id"
    quotes: str | None = None
    link: Link | None = None
    concerns: Callable[[Mapping[str, Any]], bool] = lambda data: True


_BY_EVENT = {
    AccountVerificationRequested: Letter("verify_email", link=Link("/verify-email", VERIFICATION)),
    AccountEmailChangeRequested: Letter(
        "confirm_email_change", to="new_email", link=Link("/confirm-email-change", EMAIL_CHANGE)
    ),
    AccountEmailChanged: Letter("email_changed", to="previous_email"),
    AccountPasswordResetRequested: Letter("reset_password", link=Link("/reset-password", PASSWORD_RESET)),
    AccountPasswordChanged: Letter("password_changed"),
    AccountDeactivated: Letter("account_deactivated"),
    AccountSecondFactorEnabled: Letter("second_factor_enabled"),
    AccountSecondFactorDisabled: Letter("second_factor_disabled"),
    AccountRecoveryCodesRenewed: Letter("recovery_codes_renewed"),
    AccountRecoveryCodeUsed: Letter("recovery_code_used"),
    SigninCodeReplayed: Letter("signin_code_replayed"),
    InquiryOpened: Letter(
        "inquiry_received",
        to="email",
        whose="person_id",
        link=Link("/inquiry", INQUIRY_THREAD),
        concerns=lambda data: data["has_account"] is False,
    ),
    InquiryAnswered: Letter(
        "inquiry_answered", to="email", whose="person_id", quotes="text", link=Link("/inquiry", INQUIRY_THREAD)
    ),
    InquiryLinkRenewed: Letter("inquiry_link", to="email", whose="person_id", link=Link("/inquiry", INQUIRY_THREAD)),
    SessionOpened: Letter("new_device", concerns=lambda data: data.get("new_device") is True),
}

LETTERS: Mapping[str, Letter] = {contract_of(event).type: letter for event, letter in _BY_EVENT.items()}
"""The letters by the CloudEvents type of what they are about."""
