"""Which events people are written to about, from which template, at which address, and with which link."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.identity.links import EMAIL_CHANGE, INVITATION, PASSWORD_RESET, VERIFICATION
from shared.contracts.events import contract_of
from shared.contracts.identity import (
    AccountDeactivated,
    AccountEmailChanged,
    AccountEmailChangeRequested,
    AccountPasswordChanged,
    AccountPasswordResetRequested,
    AccountSecondFactorDisabled,
    AccountSecondFactorEnabled,
    AccountVerificationRequested,
    InvitationMade,
    SessionOpened,
)


@dataclass(frozen=True)
class Link:
    """A page of the browser client, and the purpose of the token that it is given.

    The token is that of what the event's field `of` names.
    """

    path: str
    purpose: str
    of: str = "request_id"


@dataclass(frozen=True)
class Letter:
    """What is written about one type of event.

    It goes to the address in the event's field `to`, or else to that of the account. `person` is the field that says
    whose it is: somebody's with an account, or somebody's who is known by their address alone. `concerns` looks at the
    public fields of the event's data.
    """

    template: str
    person: str = "account_id"
    to: str | None = None
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
    InvitationMade: Letter(
        "invitation",
        person="invitee_id",
        to="email",
        link=Link("/accept-invitation", INVITATION, of="invitation_id"),
    ),
    SessionOpened: Letter("new_device", concerns=lambda data: data.get("new_device") is True),
}

LETTERS: Mapping[str, Letter] = {contract_of(event).type: letter for event, letter in _BY_EVENT.items()}
"""The letters by the CloudEvents type of what they are about."""
