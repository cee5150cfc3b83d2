"""The identity service over RPC: who people are, how they work together, what they chose and were told; its feed."""

from __future__ import annotations

from services.identity.access.methods.sessions import Sessions
from services.identity.access.methods.signals import Signals
from services.identity.access.methods.tokens import Tokens
from services.identity.accounts.credentials import Passwords
from services.identity.application import Identity
from services.identity.consents.methods import Consents
from services.identity.cookies.methods import CookieConsents
from services.identity.erasure.destructions import await_destructions
from services.identity.erasure.methods import Compliance
from services.identity.guards.methods import Guards
from services.identity.inquiries.methods.desk import InquiryDesk
from services.identity.inquiries.methods.inquiries import Inquiries
from services.identity.invitations.methods import Invitations
from services.identity.lifecycle.methods.accounts import Accounts
from services.identity.lifecycle.methods.addresses import Addresses
from services.identity.lifecycle.methods.passwords import PasswordChanges
from services.identity.lifecycle.methods.second_factor import SecondFactors
from services.identity.lifecycle.methods.staffing import Staffing
from services.identity.notices.methods import Notices
from services.identity.organisations.methods.organisations import Organisations
from services.identity.policies.methods import PolicyAcknowledgements
from services.identity.projections import projections
from services.identity.teams.feed_methods import FeedOfIdentity
from services.identity.teams.methods import ServiceTokens
from shared.bus.operations import Application, off_the_hub
from shared.privacy.secrets import ServiceSecret
from shared.runtime.config import Settings
from shared.service.wiring import event_store, keyring


def build(settings: Settings) -> Identity:
    secret = ServiceSecret(settings.service_secret)
    return Identity(
        store=event_store("identity", settings, projections, keyring("identity", settings)),
        secret=secret,
        passwords=Passwords(run=off_the_hub, secret=secret),
    )


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
