"""What ends when something happens to an account: sessions, API tokens, links that were sent, and what else.

One table, in which every event of an account has a line. Whoever records one of them ends what its line says, by
`services.identity.lifecycle.ending`; nothing else ends what a person is let in by, but signing out, revoking one
session or token, and time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from shared.contracts.events import Event
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
from shared.contracts.vocabulary import OPEN_GUARDS, STAFF_GUARDS


class Sessions(Enum):
    """Which sessions of the person end."""

    STAY = "stay"
    OTHERS_END = "others_end"
    """All but the one in which it was decided."""
    ALL_END = "all_end"


@dataclass(frozen=True)
class Ending:
    """What ends on one occasion. `word` is how sessions and tokens that end then say so.

    `made_before` is what somebody who never showed that the address is theirs may have made: second factor, recovery
    codes, memberships, and the devices that are known.
    """

    word: str = ""
    sessions: Sessions = Sessions.STAY
    tokens: bool = False
    links: bool = False
    made_before: bool = False


NOTHING = Ending()

_DISTINGUISHED_BY = {
    AccountVerified: "how",
    AccountPasswordChanged: "how",
    AccountSecondFactorDisabled: "how",
    AccountDeactivated: "how",
    AccountGuardAdded: "guard",
    AccountGuardRevoked: "guard",
}
"""The field of an event on which it depends what ends."""

Occasion = tuple[type[Any], str | None]


def _others(word: str) -> Ending:
    return Ending(word, Sessions.OTHERS_END, tokens=True, links=True)


def _all(word: str) -> Ending:
    return Ending(word, Sessions.ALL_END, tokens=True, links=True)


ENDINGS: Mapping[Occasion, Ending] = {
    # Links that verify an address count in a session only, so that whoever follows one knows the password as well.
    (AccountVerified, "by_link"): _others("address_verified"),
    (AccountVerified, "by_invitation"): _others("address_verified"),
    (AccountVerified, "by_reset"): Ending(
        "address_verified", Sessions.ALL_END, tokens=True, links=True, made_before=True
    ),
    (AccountVerified, None): NOTHING,  # as it was recorded before this table
    (AccountEmailChanged, None): Ending(links=True),
    (AccountPasswordChanged, "changed"): _others("password_changed"),
    (AccountPasswordChanged, "reset"): _all("password_changed"),
    # Whoever turns it off showed a code of it a moment ago; without it, tokens of the house are worth nothing.
    (AccountSecondFactorDisabled, "by_person"): Ending("second_factor_disabled", Sessions.OTHERS_END, links=True),
    (AccountSecondFactorDisabled, "by_staff"): _all("second_factor_disabled"),
    (AccountSecondFactorDisabled, "address_proven"): _all("second_factor_disabled"),
    (AccountDeactivated, "by_person"): _all("deactivated"),
    (AccountDeactivated, "by_staff"): _all("deactivated"),
    (AccountErased, None): _all("erased"),
    **{(AccountGuardAdded, guard): _all("guards_changed") for guard in STAFF_GUARDS},
    **{(AccountGuardAdded, guard): NOTHING for guard in OPEN_GUARDS},
    **{(AccountGuardRevoked, guard): _all("guards_changed") for guard in STAFF_GUARDS},
    # The session in which it was enabled has shown it; others stay as poor as they are, and can do as little.
    (AccountSecondFactorEnabled, None): NOTHING,
    **{
        (nothing, None): NOTHING
        for nothing in (
            AccountDataErased,
            AccountEmailChangeRequested,
            AccountImageChanged,
            AccountPasswordResetRequested,
            AccountProfileChanged,
            AccountReactivated,
            AccountRecoveryCodeUsed,
            AccountRecoveryCodesRenewed,
            AccountRegistered,
            AccountRegistrationRepeated,
            AccountRestricted,
            AccountUnrestricted,
            AccountVerificationRequested,
            ConsentGranted,
            ConsentWithdrawn,
            PolicyAcknowledged,
        )
    },
}
"""What ends, by the event of the account and, where it depends on that, the word in one of its fields."""


def ending_of(event: Event) -> Ending:
    """What ends when this event is recorded."""
    distinguishing = _DISTINGUISHED_BY.get(type(event))
    return ENDINGS[type(event), getattr(event, distinguishing) if distinguishing else None]
