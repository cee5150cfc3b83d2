"""The record of processing activities (Art. 30(1) GDPR), as one declaration.

What an activity `covers` are personal fields of events, by their category; `keeps` are the tables beside the events.
`shared.privacy.data_map` joins both with the schemas of the events, and a test fails while a personal field belongs to
no activity. Whoever adds one names it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.contracts.categories import Category
from shared.contracts.events import contract_of
from shared.contracts.identity import (
    AccountEmailChanged,
    AccountEmailChangeRequested,
    AccountImageChanged,
    AccountProfileChanged,
    AccountRegistered,
    InquiryAnswered,
    InquiryLinkRenewed,
    InquiryMessageReceived,
    InquiryOpened,
    InternalNoteAdded,
    InvitationMade,
    NoticeFailed,
    NoticeSent,
    OrganisationFounded,
    OrganisationRenamed,
    SessionOpened,
    TokenIssued,
)
from shared.contracts.vocabulary import LEGAL_BASES

CONTROLLER = {"name": "Okacrm", "contact": "info@okacrm.net"}
"""Who decides what for and how (section 15 of the privacy policy)."""

POLICY_PURPOSES: Mapping[str, str] = {
    "access": "Recognising people, keeping their sessions, and keeping guards apart",
    "connections": "Connecting social accounts and synchronising what stands there",
    "collaboration": "Proposals, campaigns, plans and invoices, and working on them with clients",
    "accounting": "Following payments and keeping the accounts that law asks for",
    "security": "Noticing fraud, abuse, attacks and suspicious sign-ins",
    "communications": "Service messages, news about the product, changes of policy, and legal notices",
    "analytics": "Analyses and aggregate reports by which the product gets better",
    "law": "Legal obligations, contractual rights, and the safety and rights of people",
}
"""What section 4 of the privacy policy says that personal data is used for."""

SUBJECTS: Mapping[str, str] = {
    "account_holders": "People with an account",
    "house": "People who act for the house",
    "visitors": "People who look without an account",
    "correspondents": "People who write to the house",
    "invitees": "People who were invited by somebody",
}

RECIPIENTS: Mapping[str, str] = {
    "infrastructure_vendor": "Those who run machines, databases, brokers and mail servers for the house",
    "integration_provider": "Instagram and TikTok, where a person connected them",
    "advisor": "Advisors, insurers and auditors",
    "authority": "Authorities and counterparties, where law requires it or rights are at stake",
    "successor": "Successors of the house",
    "client_user": "People of a client, whom the owner of a workspace designates",
}
"""The kinds of recipients of section 7 of the privacy policy."""

SECURITY_MEASURES = (
    "Personal values are sealed (AES-256-GCM) under a key of their person, category and scope, wherever they are kept",
    "Passwords are kept as Argon2id hashes under a key that is not in the database, tokens and links as hashes",
    "Whoever acts for the house shows a second factor, and a fresh proof before what is sensitive",
    "Guards, scopes and workspaces are kept apart at the gateway and in the services, and every pair is tested",
    "Each service works under a database role that can neither change nor delete events, and reaches no other database",
    "Every event is in an append-only log under signed checkpoints, and so is every question about somebody",
    "Failed attempts are throttled, and what looks like an attack is reported",
    "No log line, problem or metric holds a personal value or a secret",
)
"""Art. 32 GDPR, in general terms (Art. 30(1)(g)). They are the same for every activity."""


@dataclass(frozen=True)
class Kept:
    """Personal data in a table of a service, beside its events.

    `form` says as what they stand there. They are kept for the time `after`, behind the moment that `ends` names; where
    there is no such time, until what `ends` names.
    """

    service: str
    table: str
    what: str
    category: Category
    form: str
    ends: str
    after: timedelta | None = None

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ValueError(f"{self.table}: {self.form}")


FORMS = ("sealed", "hash", "blind index", "ids")


@dataclass(frozen=True)
class Activity:
    """One processing activity.

    `legal_bases` say, by the basis, what rests on it. Raises `ValueError` for a word of no vocabulary, or if it covers
    a category that an event has no field of.
    """

    name: str
    title: str
    description: str
    purposes: tuple[str, ...]
    legal_bases: Mapping[str, str]
    subjects: tuple[str, ...]
    covers: Mapping[type[Any], tuple[Category, ...]]
    keeps: tuple[Kept, ...]
    recipients: tuple[str, ...] = ("infrastructure_vendor",)
    transfers: str = "None by the product itself; a vendor in another country takes a mechanism of transfer."

    def __post_init__(self) -> None:
        for words, vocabulary in (
            (self.purposes, POLICY_PURPOSES),
            (self.legal_bases, LEGAL_BASES),
            (self.subjects, SUBJECTS),
            (self.recipients, RECIPIENTS),
        ):
            if not words or not set(words) <= set(vocabulary):
                raise ValueError(f"{self.name}: {sorted(set(words) - set(vocabulary))}")
        for event, categories in self.covers.items():
            if not set(categories) <= {spec.category for spec in contract_of(event).personal_fields.values()}:
                raise ValueError(f"{self.name}: {contract_of(event).type}")


UNTIL_ERASED = "the person is erased"

ACTIVITIES = (
    Activity(
        "accounts",
        "Accounts",
        "Who people are, how they are addressed, and how they show that it is them.",
        purposes=("access",),
        legal_bases={"contract": "An account is what a person asks for when they register."},
        subjects=("account_holders", "house"),
        covers={
            AccountRegistered: (Category.IDENTITY,),
            AccountProfileChanged: (Category.IDENTITY,),
            AccountImageChanged: (Category.IDENTITY,),
            AccountEmailChangeRequested: (Category.IDENTITY,),
            AccountEmailChanged: (Category.IDENTITY,),
        },
        keeps=(
            Kept("identity", "accounts", "the profile", Category.IDENTITY, "sealed", UNTIL_ERASED),
            Kept("identity", "email_index", "the address", Category.IDENTITY, "blind index", UNTIL_ERASED),
            Kept("identity", "username_index", "the username", Category.IDENTITY, "blind index", UNTIL_ERASED),
            Kept("identity", "passwords", "the password", Category.IDENTITY, "hash", UNTIL_ERASED),
            Kept(
                "identity", "authenticators", "the secret of a second factor", Category.IDENTITY, "sealed", UNTIL_ERASED
            ),
            Kept(
                "identity", "recovery_codes", "codes for a lost authenticator", Category.IDENTITY, "hash", UNTIL_ERASED
            ),
            Kept(
                "identity",
                "link_tokens",
                "links that were sent and not followed",
                Category.IDENTITY,
                "hash",
                "they expire",
                after=timedelta(days=1),
            ),
            Kept(
                "identity",
                "guard_requests",
                "who is to act for the house, and who asked",
                Category.IDENTITY,
                "ids",
                "they are decided or expire",
                after=timedelta(days=1),
            ),
        ),
    ),
    Activity(
        "sessions",
        "Sessions and API tokens",
        "Where a person is signed in, and which programs act for them.",
        purposes=("access",),
        legal_bases={"contract": "Without a session nobody can use their account."},
        subjects=("account_holders", "house"),
        covers={SessionOpened: (Category.TECHNICAL,), TokenIssued: (Category.IDENTITY,)},
        keeps=(
            Kept(
                "identity",
                "sessions",
                "address, device and country of a sign-in",
                Category.TECHNICAL,
                "sealed",
                "a session is opened",
                after=timedelta(hours=36),
            ),
            Kept(
                "identity",
                "session_tokens",
                "what a session is presented by",
                Category.TECHNICAL,
                "hash",
                "a session expires",
                after=timedelta(days=1),
            ),
            Kept("identity", "api_tokens", "what a token is for", Category.IDENTITY, "sealed", "it ends"),
            Kept("identity", "api_token_hashes", "what a token is presented by", Category.TECHNICAL, "hash", "it ends"),
        ),
    ),
    Activity(
        "security",
        "Security",
        "Noticing guesses, stolen tokens and sign-ins from devices that nobody knows.",
        purposes=("security",),
        legal_bases={"legitimate_interests": "People and the house are protected from others in their name."},
        subjects=("account_holders", "house", "visitors"),
        covers={SessionOpened: (Category.TECHNICAL,)},
        keeps=(
            Kept(
                "identity",
                "known_devices",
                "devices from which somebody got in",
                Category.TECHNICAL,
                "blind index",
                "a device was last seen",
                after=timedelta(days=180),
            ),
            Kept(
                "identity",
                "throttles",
                "failed attempts by address and network",
                Category.TECHNICAL,
                "blind index",
                "the last one",
                after=timedelta(days=1),
            ),
            Kept(
                "identity",
                "failed_addresses",
                "addresses that were tried from a network",
                Category.TECHNICAL,
                "blind index",
                "they were tried",
                after=timedelta(days=1),
            ),
            Kept(
                "identity",
                "ended_tokens",
                "tokens that ended, by which one that was stolen is noticed",
                Category.TECHNICAL,
                "hash",
                "they ended",
                after=timedelta(days=30),
            ),
            Kept(
                "identity",
                "security_signals",
                "what looked like an attack, and on whom",
                Category.TECHNICAL,
                "ids",
                "it happened",
                after=timedelta(days=180),
            ),
        ),
    ),
    Activity(
        "collaboration",
        "Working together",
        "Workspaces and client organisations, their members, and who was invited to join.",
        purposes=("collaboration",),
        legal_bases={
            "contract": "People found organisations and work in them.",
            "legitimate_interests": "Whoever is invited is written to at the wish of somebody who works with them.",
        },
        subjects=("account_holders", "invitees"),
        covers={
            OrganisationFounded: (Category.CONTENT,),
            OrganisationRenamed: (Category.CONTENT,),
            InvitationMade: (Category.IDENTITY,),
        },
        keeps=(
            Kept("identity", "organisations", "their names", Category.CONTENT, "sealed", "they are closed"),
            Kept("identity", "memberships", "who is in which", Category.CONTENT, "ids", "they leave"),
            Kept("identity", "clients", "who deals with whom", Category.CONTENT, "ids", "they part"),
            Kept("identity", "invitations", "addresses of invitees", Category.IDENTITY, "sealed", "they are answered"),
            Kept("identity", "invitees", "addresses of invitees", Category.IDENTITY, "blind index", "they are erased"),
        ),
        recipients=("infrastructure_vendor", "client_user"),
    ),
    Activity(
        "inquiries",
        "Inquiries",
        "What people ask the house, also for their rights, and what it answers.",
        purposes=("communications", "law"),
        legal_bases={
            "contract": "Support is part of the product.",
            "legal_obligation": "Whoever exercises a right is answered (Art. 12 GDPR).",
            "legitimate_interests": "Whoever asks before they have an account wants an answer.",
        },
        subjects=("account_holders", "correspondents"),
        covers={
            InquiryOpened: (Category.COMMUNICATIONS,),
            InquiryMessageReceived: (Category.COMMUNICATIONS,),
            InquiryAnswered: (Category.COMMUNICATIONS,),
            InquiryLinkRenewed: (Category.COMMUNICATIONS,),
            InternalNoteAdded: (Category.COMMUNICATIONS,),
        },
        keeps=(
            Kept("identity", "inquiries", "who asked", Category.COMMUNICATIONS, "sealed", UNTIL_ERASED),
            Kept("identity", "inquiry_messages", "what was written", Category.COMMUNICATIONS, "sealed", UNTIL_ERASED),
            Kept("identity", "inquiry_links", "the link of a thread", Category.COMMUNICATIONS, "hash", UNTIL_ERASED),
            Kept("identity", "internal_notes", "notes of the house", Category.COMMUNICATIONS, "sealed", UNTIL_ERASED),
        ),
    ),
    Activity(
        "notices",
        "Notices",
        "What people are told by mail, and what they said about that.",
        purposes=("communications",),
        legal_bases={
            "contract": "What concerns the account itself.",
            "legal_obligation": "What people have to be told by law.",
            "legitimate_interests": "Changes of the policies.",
            "consent": "News about the product.",
        },
        subjects=("account_holders", "house", "correspondents", "invitees"),
        covers={NoticeSent: (Category.COMMUNICATIONS,), NoticeFailed: (Category.COMMUNICATIONS,)},
        keeps=(
            Kept(
                "identity",
                "mails",
                "mails on their way, and what became of them",
                Category.COMMUNICATIONS,
                "sealed",
                "it was settled what became of them",
                after=timedelta(days=30),
            ),
            Kept("identity", "notices", "what a person was told", Category.COMMUNICATIONS, "sealed", UNTIL_ERASED),
            Kept("identity", "notice_refusals", "what they do not want", Category.COMMUNICATIONS, "ids", UNTIL_ERASED),
            Kept("identity", "notice_objections", "what they object to", Category.COMMUNICATIONS, "ids", UNTIL_ERASED),
            Kept(
                "identity", "unsubscription_links", "links that end them", Category.COMMUNICATIONS, "hash", UNTIL_ERASED
            ),
        ),
    ),
    Activity(
        "referrals",
        "Where people come from",
        "What somebody says at registration about where they heard of the product. It is kept, and not evaluated yet.",
        purposes=("analytics",),
        legal_bases={"legitimate_interests": "The house wants to know which of its efforts reach people."},
        subjects=("account_holders",),
        covers={AccountRegistered: (Category.TECHNICAL,)},
        keeps=(),
    ),
    Activity(
        "choices",
        "Consents and acknowledgements",
        "What people agreed to, refused and acknowledged, and in which words they were asked.",
        purposes=("law",),
        legal_bases={"legal_obligation": "A consent has to be shown (Art. 7(1) GDPR)."},
        subjects=("account_holders", "house", "visitors"),
        covers={},
        keeps=(
            Kept("identity", "consents", "consents as they stand", Category.IDENTITY, "ids", UNTIL_ERASED),
            Kept(
                "identity",
                "cookie_choices",
                "choices about cookies as they stand",
                Category.TECHNICAL,
                "ids",
                "they expire",
                after=timedelta(days=1),
            ),
            Kept(
                "identity", "policy_acknowledgements", "policies acknowledged", Category.IDENTITY, "ids", UNTIL_ERASED
            ),
            Kept("audit", "consents", "the history of consents", Category.IDENTITY, "ids", "never"),
            Kept("audit", "policy_acknowledgements", "policies acknowledged", Category.IDENTITY, "ids", "never"),
            Kept("audit", "policy_notices", "who was told of a policy", Category.COMMUNICATIONS, "ids", "never"),
            Kept("audit", "reliances", "mails that rest on a consent", Category.COMMUNICATIONS, "ids", "never"),
        ),
    ),
    Activity(
        "accountability",
        "The audit log",
        "Who did what to whose data and when, and what was erased. Sealed values stand beside it; it can open none.",
        purposes=("law", "security"),
        legal_bases={"legal_obligation": "The house has to show what it does with personal data (Art. 5(2) GDPR)."},
        subjects=tuple(SUBJECTS),
        covers={},
        keeps=(
            Kept("audit", "leaves", "records by random ids", Category.IDENTITY, "ids", "never"),
            Kept("audit", "leaf_terms", "the index of the records", Category.IDENTITY, "hash", "never"),
            Kept("audit", "sealed_values", "every value of the map below", Category.IDENTITY, "sealed", UNTIL_ERASED),
            Kept("audit", "missing_values", "values to be fetched again", Category.IDENTITY, "ids", "they are there"),
            Kept("audit", "disclosures", "to whom whose data went", Category.IDENTITY, "ids", "never"),
            Kept(
                "audit",
                "exports",
                "who asked for which records",
                Category.IDENTITY,
                "ids",
                "they are made",
                after=timedelta(days=30),
            ),
            Kept(
                "audit",
                "export_parts",
                "which records were exported, and bundles of them",
                Category.IDENTITY,
                "ids",
                "they are made",
                after=timedelta(days=30),
            ),
            Kept("identity", "erasures", "who was erased, and when", Category.IDENTITY, "ids", "never"),
        ),
        recipients=("infrastructure_vendor", "advisor", "authority"),
    ),
)

CARRIERS: Mapping[str, str] = {
    "events": "The events themselves",
    "outbox": "Events that are not numbered yet",
    "feed": "The order of events",
    "commands": "What came of a command, without any value",
    "parked_events": "Events that could not be handled yet",
    "foreign_events": "Events of others that mails are about",
}
"""Tables that hold events as they were recorded, with their personal values sealed, or say where they stand."""
