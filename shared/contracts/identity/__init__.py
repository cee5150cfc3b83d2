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
from shared.contracts.identity.notices import (
    AnnouncementPublished,
    AnnouncementWorded,
    NoticeFailed,
    NoticeObjectionRaised,
    NoticeObjectionWithdrawn,
    NoticePreferenceChanged,
    NoticeSent,
)
from shared.contracts.identity.restrictions import (
    AccountRestricted,
    AccountUnrestricted,
)
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
    "AccountRestricted",
    "AccountSecondFactorDisabled",
    "AccountSecondFactorEnabled",
    "AccountUnrestricted",
    "AccountVerificationRequested",
    "AccountVerified",
    "AnnouncementPublished",
    "AnnouncementWorded",
    "ConsentGranted",
    "ConsentWithdrawn",
    "FeedEpochBegun",
    "NoticeFailed",
    "NoticeObjectionRaised",
    "NoticeObjectionWithdrawn",
    "NoticePreferenceChanged",
    "NoticeSent",
    "SessionClosed",
    "SessionOpened",
    "SessionSteppedUp",
    "SigninFailed",
    "SigninThrottled",
    "SubjectLookedUp",
    "TokenIssued",
    "TokenMisused",
    "TokenRevoked",
]
