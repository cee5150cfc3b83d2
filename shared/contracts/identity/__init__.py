"""Events of the identity service, by what they are about; `from shared.contracts.identity import ...` has them all."""

from shared.contracts.identity.accounts import (
    AccountDataErased,
    AccountDeactivated,
    AccountEmailChanged,
    AccountEmailChangeRequested,
    AccountErased,
    AccountGuardAdded,
    AccountImageChanged,
    AccountPasswordChanged,
    AccountPasswordResetRequested,
    AccountProfileChanged,
    AccountReactivated,
    AccountRecoveryCodesRenewed,
    AccountRecoveryCodeUsed,
    AccountRegistered,
    AccountSecondFactorDisabled,
    AccountSecondFactorEnabled,
    AccountVerificationRequested,
    AccountVerified,
)
from shared.contracts.identity.consents import (
    ConsentGranted,
    ConsentWithdrawn,
)
from shared.contracts.identity.cookies import (
    BrowserSignalHeard,
    CookieConsentCarriedOver,
    CookieConsentGranted,
    CookieConsentRefused,
    CookieConsentWithdrawn,
)
from shared.contracts.identity.second_factors import SigninCodeReplayed
from shared.contracts.identity.sessions import (
    SessionClosed,
    SessionOpened,
    SessionSteppedUp,
    TokenIssued,
    TokenRevoked,
)
from shared.contracts.identity.signals import (
    AccessRefused,
    SigninFailed,
    SigninThrottled,
    TokenMisused,
)
from shared.contracts.identity.staff import (
    FeedEpochBegun,
    SubjectLookedUp,
)

__all__ = [
    "AccessRefused",
    "AccountDataErased",
    "AccountDeactivated",
    "AccountEmailChangeRequested",
    "AccountEmailChanged",
    "AccountErased",
    "AccountGuardAdded",
    "AccountImageChanged",
    "AccountPasswordChanged",
    "AccountPasswordResetRequested",
    "AccountProfileChanged",
    "AccountReactivated",
    "AccountRecoveryCodeUsed",
    "AccountRecoveryCodesRenewed",
    "AccountRegistered",
    "AccountSecondFactorDisabled",
    "AccountSecondFactorEnabled",
    "AccountVerificationRequested",
    "AccountVerified",
    "BrowserSignalHeard",
    "ConsentGranted",
    "ConsentWithdrawn",
    "CookieConsentCarriedOver",
    "CookieConsentGranted",
    "CookieConsentRefused",
    "CookieConsentWithdrawn",
    "FeedEpochBegun",
    "SessionClosed",
    "SessionOpened",
    "SessionSteppedUp",
    "SigninCodeReplayed",
    "SigninFailed",
    "SigninThrottled",
    "SubjectLookedUp",
    "TokenIssued",
    "TokenMisused",
    "TokenRevoked",
]
