"""Every read model of identity is made again from events, row by row what it was, and replaying does nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import pytest

from services.identity.projections import projections
from services.identity.rebuilding import NOT_DERIVED, read_models
from services.identity.subscriptions import POLICIES
from shared.bus.cursors import cursor_transaction
from shared.bus.envelope import from_wire
from shared.bus.feeds import answer_feed_page
from shared.bus.outbox import outbox_session
from shared.bus.subscriptions import Delivery
from shared.contracts.audit import PolicyPublished, PolicyWithdrawn
from shared.contracts.events import contract_of, newest_contract
from shared.contracts.identity import (
    AccessRefused,
    AccountDataErased,
    AccountDeactivated,
    AccountEmailChanged,
    AccountErased,
    AccountGuardAdded,
    AccountGuardRevoked,
    AccountImageChanged,
    AccountProfileChanged,
    AccountReactivated,
    AccountRegistered,
    AccountRestricted,
    AccountSecondFactorDisabled,
    AccountSecondFactorEnabled,
    AccountUnrestricted,
    AccountVerified,
    AnnouncementWorded,
    BrowserSignalHeard,
    ConsentGranted,
    ConsentWithdrawn,
    CookieConsentCarriedOver,
    CookieConsentGranted,
    CookieConsentRefused,
    CookieConsentWithdrawn,
    GuardRequestApproved,
    GuardRequested,
    GuardRequestRefused,
    InquiryAnswered,
    InquiryAssigned,
    InquiryChildReported,
    InquiryClosed,
    InquiryHandedOver,
    InquiryMessageReceived,
    InquiryOpened,
    InquiryPersonErased,
    InquiryReclassified,
    InquiryReopened,
    InquirySpamSuspected,
    InternalNoteAdded,
    InvitationAccepted,
    InvitationEnded,
    InvitationInviteeErased,
    InvitationMade,
    NoticeFailed,
    NoticeObjectionRaised,
    NoticeObjectionWithdrawn,
    NoticePreferenceChanged,
    NoticeSent,
    OrganisationClientGained,
    OrganisationClientLost,
    OrganisationClosed,
    OrganisationFounded,
    OrganisationMemberJoined,
    OrganisationMemberLeft,
    OrganisationMemberRoleChanged,
    OrganisationOwnershipTransferred,
    OrganisationRenamed,
    PolicyAcknowledged,
    ServiceTokenIssued,
    ServiceTokenRevoked,
    SessionClosed,
    SessionOpened,
    SigninCodeReplayed,
    SigninFailed,
    SigninThrottled,
    TokenExpiryNoticed,
    TokenIssued,
    TokenMisused,
    TokenRevoked,
)
from shared.contracts.vocabulary import PRIVACY_POLICY
from shared.eventstore import twins
from shared.eventstore.projections import OwnProjections
from shared.eventstore.recorded import record
from shared.eventstore.work import EventStore
from shared.privacy.keyring import NoKeyring
from shared.privacy.secrets import ServiceSecret
from shared.runtime.clock import new_id
from tests.component.rebuilding import rebuild, rows_of, tables_of
from tests.making import CIRCUMSTANCES, Clock, append_event, example_of

SPACE = UUID(int=4)
LATER = datetime.now(UTC) + timedelta(days=300)


def an(name: str) -> UUID:
    """The id of something, by its name here."""
    return uuid5(SPACE, name)


def told(event_class, **changes):
    """An event with every field filled, some as it matters here."""
    return replace(example_of(contract_of(event_class)), **changes)


ADA, BOB, EVE, GUEST, VISITOR = (an(name) for name in ("ada", "bob", "eve", "guest", "visitor"))
HISTORY = [
    *(told(AccountRegistered, account_id=each, guard="influencer") for each in (ADA, BOB, EVE)),
    told(AccountProfileChanged, account_id=ADA, country=None),
    told(AccountImageChanged, account_id=ADA),
    told(AccountVerified, account_id=ADA),
    told(AccountEmailChanged, account_id=BOB),
    *(told(AccountGuardAdded, account_id=each, guard="staff") for each in (ADA, BOB)),
    told(AccountGuardRevoked, account_id=BOB, guard="staff"),
    *(told(GuardRequested, request_id=an(f"request {n}"), account_id=ADA, expires_at=LATER) for n in range(3)),
    told(GuardRequested, account_id=EVE, expires_at=LATER),
    told(GuardRequestRefused, request_id=an("request 0"), account_id=ADA),
    told(GuardRequestApproved, request_id=an("request 1"), account_id=ADA),
    told(AccountDeactivated, account_id=ADA),
    told(AccountReactivated, account_id=ADA),
    told(AccountDeactivated, account_id=BOB),
    told(AccountRestricted, account_id=BOB),
    told(AccountRestricted, account_id=ADA),
    told(AccountUnrestricted, account_id=ADA),
    *(told(AccountSecondFactorEnabled, account_id=each) for each in (ADA, BOB)),
    told(AccountSecondFactorDisabled, account_id=ADA),
    *(told(ConsentGranted, account_id=each, purpose="product_news") for each in (ADA, BOB, EVE)),
    told(ConsentWithdrawn, account_id=BOB, purpose="product_news"),
    *(
        told(kind, subject_id=whose, purpose=purpose, expires_at=LATER)
        for whose in (ADA, VISITOR, EVE)
        for kind, purpose in (
            (CookieConsentGranted, "cookies_preferences"),
            (CookieConsentWithdrawn, "cookies_preferences"),
            (CookieConsentRefused, "cookies_analytics"),
            (BrowserSignalHeard, "cookies_analytics"),
        )
    ),
    told(CookieConsentCarriedOver, visitor_id=VISITOR, account_id=ADA, purpose="cookies_analytics"),
    *(told(SessionOpened, session_id=an(f"session {n}"), account_id=ADA, new_device=n == 1) for n in range(3)),
    told(SessionOpened, account_id=EVE, new_device=True),
    told(SessionClosed, session_id=an("session 0"), account_id=ADA),
    *(told(TokenIssued, token_id=an(f"token {n}"), account_id=ADA) for n in range(3)),
    told(TokenIssued, account_id=EVE),
    told(TokenExpiryNoticed, token_id=an("token 0"), account_id=ADA),
    told(TokenRevoked, token_id=an("token 1"), account_id=ADA),
    *(told(kind, account_id=BOB) for kind in (SigninFailed, SigninThrottled, SigninCodeReplayed, TokenMisused)),
    *(told(kind, account_id=EVE) for kind in (AccessRefused, SigninFailed)),
    told(InquirySpamSuspected),
    told(InquiryOpened, inquiry_id=an("inquiry"), person_id=GUEST, kind="support"),
    told(InquiryOpened, inquiry_id=an("other inquiry"), person_id=BOB),
    told(InquiryMessageReceived, inquiry_id=an("inquiry"), person_id=GUEST),
    told(InquiryAnswered, inquiry_id=an("inquiry"), person_id=GUEST),
    told(InquiryAssigned, inquiry_id=an("inquiry"), person_id=GUEST),
    told(InquiryReclassified, inquiry_id=an("inquiry"), person_id=GUEST, kind="privacy"),
    told(InquiryHandedOver, inquiry_id=an("inquiry"), person_id=GUEST),
    told(InquiryChildReported, inquiry_id=an("inquiry"), person_id=GUEST),
    told(InquiryClosed, inquiry_id=an("inquiry"), person_id=GUEST),
    told(InquiryReopened, inquiry_id=an("inquiry"), person_id=GUEST),
    told(InternalNoteAdded, inquiry_id=an("inquiry"), person_id=GUEST),
    *(told(kind, account_id=each) for each in (ADA, EVE) for kind in (NoticeSent, NoticeFailed)),
    *(told(NoticeObjectionRaised, account_id=each, kind="product") for each in (ADA, BOB, EVE)),
    told(NoticeObjectionWithdrawn, account_id=BOB, kind="product"),
    *(told(NoticePreferenceChanged, account_id=each, kind="product", wanted=False) for each in (ADA, BOB, EVE)),
    told(NoticePreferenceChanged, account_id=BOB, kind="product", wanted=True),
    told(AnnouncementWorded),
    *(told(OrganisationFounded, organisation_id=an(name), account_id=ADA) for name in ("org", "client", "gone")),
    told(OrganisationRenamed, organisation_id=an("org"), account_id=ADA),
    *(told(OrganisationMemberJoined, organisation_id=an("org"), account_id=each) for each in (BOB, EVE)),
    told(OrganisationMemberRoleChanged, organisation_id=an("org"), account_id=BOB, role="manager"),
    told(OrganisationOwnershipTransferred, organisation_id=an("org"), account_id=ADA, new_owner_id=BOB),
    told(OrganisationMemberLeft, organisation_id=an("org"), account_id=EVE),
    *(
        told(OrganisationClientGained, organisation_id=an(name), client_organisation_id=an("client"))
        for name in ("org", "gone")
    ),
    told(OrganisationClientGained, organisation_id=an("org"), client_organisation_id=an("gone")),
    told(OrganisationClientLost, organisation_id=an("org"), client_organisation_id=an("gone")),
    told(OrganisationClosed, organisation_id=an("gone")),
    *(told(InvitationMade, invitation_id=an(f"invitation {n}"), organisation_id=an("org")) for n in range(4)),
    told(InvitationAccepted, invitation_id=an("invitation 0"), account_id=BOB),
    told(InvitationEnded, invitation_id=an("invitation 1")),
    told(InvitationInviteeErased, invitation_id=an("invitation 2")),
    *(told(ServiceTokenIssued, token_id=an(f"service token {n}")) for n in range(2)),
    told(ServiceTokenRevoked, token_id=an("service token 0")),
    *(told(PolicyAcknowledged, account_id=each, policy_version="2027-01-01") for each in (ADA, EVE)),
    told(AccountDataErased, account_id=BOB, category="technical"),
    told(InquiryPersonErased, inquiry_id=an("inquiry"), person_id=GUEST, category=None),
    told(AccountErased, account_id=EVE),
]
"""Something of everything that identity projects."""


@pytest.fixture
def store(databases):
    """An event store with that history, of which some is numbered and some waits."""
    store = databases.event_store(Clock(datetime.now(UTC)))
    for event in HISTORY:
        append_event(store, event)
    with outbox_session(databases.engine("identity", autocommit=True)) as outbox:
        outbox.number(len(HISTORY) - 20)
    return store


@pytest.fixture
def read_feed(databases):
    """Audit's feed, with versions of policies that identity has followed, but for the last of them."""
    engine, secret = databases.engine("audit", autocommit=True), ServiceSecret(b"s" * 32)
    publisher = EventStore(engine, NoKeyring(), secret, OwnProjections(), clock=Clock(), new_id=new_id)
    for event in (
        told(PolicyPublished, policy=PRIVACY_POLICY, policy_version="2027-01-01"),
        told(PolicyPublished, policy=PRIVACY_POLICY, policy_version="2027-02-01"),
        told(PolicyWithdrawn, policy=PRIVACY_POLICY, policy_version="2027-01-01"),
        told(PolicyPublished, policy=PRIVACY_POLICY, policy_version="2027-03-01"),
    ):
        append_event(publisher, event)
    with outbox_session(publisher.engine) as outbox:
        outbox.number(10)

    def read(publisher_name, cursor):
        assert publisher_name == "audit"
        event_id = str(cursor.event_id) if cursor.event_id else None
        return answer_feed_page(publisher.engine, cursor.epoch, cursor.position, event_id, 2)

    page = answer_feed_page(publisher.engine, 0, 0, None, 3)
    entries = [from_wire("audit", body.encode()) for body in page["entries"]]
    with cursor_transaction(databases.engine("identity"), POLICIES.name) as cursors:
        cursors.lock("audit")
        POLICIES.apply(cursors.connection, [Delivery("audit", entry) for entry in entries])
        cursors.move("audit", entries[-1], 4)
    return read


def test_every_table_is_of_a_read_model_or_holds_what_follows_from_no_event(databases):
    models = read_models(lambda *_: {})
    derived = {table for model in models for table in model.tables}
    assert not derived & NOT_DERIVED.keys()
    assert derived | NOT_DERIVED.keys() == tables_of(databases, "identity")


def test_the_history_has_every_event_that_is_projected():
    projected = {type_ for part in projections.parts for type_ in part.types}
    assert {contract_of(type(event)).type for event in HISTORY} >= projected


def test_every_read_model_is_rebuilt_row_by_row(databases, store, read_feed):
    """Also what is told of people of whom something was erased."""
    models = read_models(read_feed)
    tables = [table for model in models for table in model.tables]
    before = rows_of(databases, "identity", tables)
    assert all(before.values()), [table for table, rows in before.items() if not rows]
    rebuild(databases, "identity", *models)
    assert rows_of(databases, "identity", tables) == before
    # The service goes on with the new tables, under its own role.
    append_event(store, told(ConsentGranted, account_id=BOB, purpose="product_news"))
    assert any(str(BOB) in row and "granted" in row for row in rows_of(databases, "identity", ["consents"])["consents"])


@pytest.mark.parametrize("part", projections.parts, ids=lambda part: part.name)
def test_no_handler_writes_a_table_that_is_not_of_its_projection(databases, part):
    """Whether or not there was a row to change: whoever writes a table holds a lock that says so."""
    seen = set()
    for type_ in sorted(part.types):
        contract = newest_contract(type_)
        event = example_of(contract)
        recorded = record(
            event,
            contract,
            event_id=new_id(),
            stream="any-stream",
            version=1,
            now=datetime.now(UTC),
            circumstances=CIRCUMSTANCES,
            keyring=databases.keyring(),
        )
        with databases.engine("identity", "owner").connect() as connection:
            part.project(connection, recorded.unopened(), recorded)
            written = set(twins.written_elsewhere(connection))
            # A handler may say nothing for one event, as one that is no news: then it wrote nothing.
            assert written <= set(part.tables), type_
            seen |= written
    assert seen == set(part.tables)


def test_what_was_pruned_does_not_come_back(databases):
    long_ago = databases.event_store(Clock(datetime.now(UTC) - timedelta(days=400)))
    append_event(long_ago, told(SessionOpened, account_id=ADA, new_device=True))
    append_event(
        long_ago, told(CookieConsentGranted, subject_id=ADA, expires_at=datetime.now(UTC) - timedelta(days=200))
    )
    with outbox_session(long_ago.engine) as outbox:
        outbox.number(10)
    tables = ["sessions", "security_signals", "cookie_choices"]
    rebuild(databases, "identity", *(model for model in read_models(lambda *_: {}) if model.name in tables))
    assert rows_of(databases, "identity", tables) == {table: [] for table in tables}
