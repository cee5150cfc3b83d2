"""A contract admits what it says, refuses the rest without showing it, and declares whose data it holds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from marshmallow import fields

import shared.contracts.audit
import shared.contracts.identity  # noqa: F401 - registers the contracts
from shared.contracts import events
from shared.contracts.categories import Category
from shared.contracts.events import (
    InvalidEvent,
    contract_for,
    contract_of,
    contracts,
    event,
    load_event,
    newest_contract,
    upcast,
    upcaster_of,
    versions_of,
)
from shared.contracts.fields import ERASED, personal, public, subject
from shared.contracts.identity import AccountProfileChanged, AccountRegistered, ConsentGranted, ConsentGrantedV1
from shared.contracts.purposes import CONSENT_WORDINGS
from tests.making import NOON, consent_granted, example_of

AGGREGATES = (
    "access",
    "account",
    "announcement",
    "browser",
    "checkpoint_key",
    "consent",
    "cookie",
    "disclosure",
    "export",
    "feed",
    "guard",
    "inquiry",
    "internal_note",
    "invitation",
    "notice",
    "organisation",
    "policy",
    "question",
    "recipient",
    "record",
    "service_token",
    "session",
    "signin",
    "subject",
    "token",
)


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: f"{contract.type} {contract.version}")
def test_an_event_is_the_same_after_it_was_written_and_read(contract):
    written = example_of(contract)
    assert contract.load(contract.dump(written)) == written


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: f"{contract.type} {contract.version}")
def test_an_event_is_named_in_the_past_tense_after_its_aggregate(contract):
    assert re.fullmatch(rf"({'|'.join(AGGREGATES)})(_[a-z]+)+", contract.name)
    assert contract_for(contract.type, contract.version) is contract


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: f"{contract.type} {contract.version}")
def test_every_personal_value_may_read_as_erased(contract):
    data = contract.dump(example_of(contract)) | dict.fromkeys(contract.personal_fields, ERASED)
    loaded = contract.load(data)
    assert all(getattr(loaded, name) is ERASED for name in contract.personal_fields)


def test_an_event_that_breaks_its_contract_is_refused_by_field_and_not_by_value():
    broken = consent_granted(purpose="world domination")
    with pytest.raises(InvalidEvent, match="purpose") as refusal:
        contract_of(ConsentGranted).dump(broken)
    assert "domination" not in str(refusal.value)


def test_an_event_without_a_required_value_is_refused():
    contract = contract_of(AccountRegistered)
    data = contract.dump(example_of(contract))
    del data["guard"]
    with pytest.raises(InvalidEvent, match="guard"):
        contract.load(data)


def test_what_did_not_change_is_absent():
    changed = AccountProfileChanged(account_id=uuid4(), name="Grace", changed_at=datetime.now(UTC))
    assert set(contract_of(AccountProfileChanged).dump(changed)) == {"account_id", "name", "changed_at"}


def test_personal_data_of_nobody_cannot_be_declared():
    with pytest.raises(TypeError, match="not a subject"):

        @event(version=1)
        class LetterSent:
            recipient_id: str = public(fields.UUID(required=True))
            address: str = personal(fields.String(required=True), Category.COMMUNICATIONS, of="recipient_id")


def test_a_field_that_says_nothing_of_privacy_cannot_be_declared():
    with pytest.raises(TypeError, match="neither subject"):

        @event(version=1)
        class NoteWritten:
            text: str


def test_a_time_is_written_so_that_text_order_is_time_order():
    moment = datetime(2026, 11, 1, 12, 0, 0, 5, tzinfo=UTC)
    assert (
        contract_of(ConsentGranted).dump(consent_granted(effective_at=moment))["effective_at"]
        == "2026-11-01T12:00:00.000005Z"
    )


OLDER_VERSIONS = [contract for contract in contracts() if contract is not newest_contract(contract.type)]


@pytest.mark.parametrize("contract", OLDER_VERSIONS, ids=lambda contract: f"{contract.type} {contract.version}")
def test_what_was_recorded_under_an_older_version_is_read_as_the_newest(contract):
    newest, data = newest_contract(contract.type), contract.dump(example_of(contract))
    loaded = load_event(contract.type, contract.version, data)
    assert type(loaded) is newest.event_class
    assert newest.dump(loaded).keys() >= data.keys()


def test_versions_of_an_event_are_known_oldest_first():
    versions = versions_of("okacrm.identity.consent_granted")
    assert [each.event_class for each in versions] == [ConsentGrantedV1, ConsentGranted]
    assert [each.dataschema.rsplit("/", 2)[1:] for each in versions] == [
        ["consent_granted", "1"],
        ["consent_granted", "2"],
    ]
    assert [upcaster_of(each) is not None for each in versions] == [True, False]


def test_a_consent_without_a_wording_was_given_to_the_first_one():
    written = contract_of(ConsentGrantedV1).dump(
        ConsentGrantedV1(account_id=uuid4(), purpose="product_news", effective_at=NOON)
    )
    loaded = load_event("okacrm.identity.consent_granted", 1, written)
    assert loaded == consent_granted(account_id=loaded.account_id, wording_version=CONSENT_WORDINGS[0])


@pytest.fixture
def registry_apart(monkeypatch):
    """What this test declares is no event of the product."""
    for registry in ("_BY_CLASS", "_BY_TYPE", "_NEWEST", "_UPCASTERS"):
        monkeypatch.setattr(events, registry, dict(getattr(events, registry)))


@pytest.mark.usefixtures("registry_apart")
def test_an_event_goes_through_every_version_between_and_stays_as_it_was_recorded():
    @event(version=1)
    class TeaServedV1:
        cup_id: UUID = public(fields.UUID(required=True))

    @event(version=2)
    class TeaServedV2:
        cup_id: UUID = public(fields.UUID(required=True))
        sugar: int = public(fields.Integer(required=True))

    @event(version=3)
    class TeaServed:
        cup_id: UUID = public(fields.UUID(required=True))
        sugar: str = public(fields.String(required=True))

    upcast(TeaServed, from_version=1)(lambda data: {**data, "sugar": 2})
    upcast(TeaServed, from_version=2)(lambda data: {**data, "sugar": f"{data['sugar']} lumps"})
    recorded = {"cup_id": str(uuid4())}
    kind = contract_of(TeaServed).type
    assert load_event(kind, 1, recorded).sugar == "2 lumps"
    assert load_event(kind, 2, {**recorded, "sugar": 1}).sugar == "1 lumps"
    assert load_event(kind, 3, {**recorded, "sugar": "none"}).sugar == "none"
    assert recorded.keys() == {"cup_id"}


def test_an_unknown_version_is_no_event():
    with pytest.raises(KeyError):
        load_event("okacrm.identity.consent_granted", 99, {})


def declared(name, **declaration):
    members = {
        "__annotations__": {"subject_id": UUID, "note_id": UUID},
        "subject_id": subject(),
        "note_id": public(fields.UUID(required=True)),
        "__module__": "shared.contracts.trial",
    }
    return lambda: event(version=1, **declaration)(type(name, (), members))


class TestErasures:
    def test_an_event_called_erased_says_what_it_erases(self):
        with pytest.raises(TypeError, match="says what it erases"):
            declared("TrialPersonErased")()

    def test_an_event_that_erases_is_called_erased(self):
        with pytest.raises(TypeError, match="says what it erases"):
            declared("TrialPersonForgotten", erases="subject_id")()

    def test_what_is_erased_is_a_person(self):
        with pytest.raises(TypeError, match="not a subject"):
            declared("TrialPersonErased", erases="note_id")()

    @pytest.mark.parametrize("contract", [each for each in contracts() if each.erases], ids=lambda each: each.name)
    def test_an_erasure_names_the_person_and_the_category(self, contract):
        person = UUID(int=7)
        expected_category = Category.CONTENT if "category" in contract.fields else None

        data = (
            {contract.erases: str(person), "category": "content"}
            if expected_category
            else {contract.erases: str(person)}
        )

        assert contract.erasure(data) == (person, expected_category)

    def test_these_events_tell_of_erasures(self):
        assert {each.name for each in contracts() if each.erases} == {
            "account_erased",
            "account_data_erased",
            "inquiry_person_erased",
            "invitation_invitee_erased",
        }

    def test_other_events_tell_of_none(self):
        assert contract_of(AccountRegistered).erasure({"account_id": str(UUID(int=7))}) is None
