"""The identity service over RPC: who people are, how they work together, what they chose and were told; its feed."""

from __future__ import annotations

from services.identity.destructions import await_destructions
from services.identity.projections import projections
from services.identity.service.accounts import Accounts
from services.identity.service.addresses import Addresses
from services.identity.service.application import Identity, build
from services.identity.service.compliance import Compliance
from services.identity.service.consents import Consents
from services.identity.service.cookies import CookieConsents
from services.identity.service.feed import FeedOfIdentity
from services.identity.service.guards import Guards
from services.identity.service.inquiries import Inquiries
from services.identity.service.inquiry_desk import InquiryDesk
from services.identity.service.invitations import Invitations
from services.identity.service.notices import Notices
from services.identity.service.organisations import Organisations
from services.identity.service.passwords import PasswordChanges
from services.identity.service.policies import PolicyAcknowledgements
from services.identity.service.second_factor import SecondFactors
from services.identity.service.service_tokens import ServiceTokens
from services.identity.service.sessions import Sessions
from services.identity.service.signals import Signals
from services.identity.service.staffing import Staffing
from services.identity.service.tokens import Tokens
from shared.bus.operations import Application
from shared.runtime.config import Settings
from shared.runtime.wiring import event_store, keyring


def prepare(settings: Settings) -> None:
    """What must hold before anything is served: the keyring still knows every destruction."""
    store = event_store("identity", settings, projections, keyring("identity", settings))
    await_destructions(store.engine, store.keyring)
    store.engine.dispose()


class IdentityService(
    Accounts,
    Addresses,
    PasswordChanges,
    SecondFactors,
    Sessions,
    Tokens,
    ServiceTokens,
    Consents,
    CookieConsents,
    Inquiries,
    InquiryDesk,
    Notices,
    PolicyAcknowledgements,
    Organisations,
    Invitations,
    Signals,
    Staffing,
    Guards,
    Compliance,
    FeedOfIdentity,
):
    """Who people are, what they may enter, and what they consented to."""

    name = "identity"
    app: Identity = Application(build)
