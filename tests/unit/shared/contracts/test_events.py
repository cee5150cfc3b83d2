"""A contract admits what it says, refuses the rest without showing it, and declares whose data it holds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from marshmallow import fields

import shared.contracts.identity  # noqa: F401 - registers the contracts
from shared.contracts.events import InvalidEvent, contract_for, contract_of, contracts, event
from shared.contracts.identity import AccountProfileChanged, AccountRegistered, ConsentGranted
from shared.privacy.categories import Category
from shared.privacy.fields import ERASED, personal, public
from tests.making import example_of

AGGREGATES = (
    "access",
    "account",
    "announcement",
    "browser",
    "consent",
    "cookie",
    "export",
    "feed",
    "inquiry",
    "internal_note",
    "invitation",
    "notice",
    "organisation",
    "question",
    "session",
    "signin",
    "subject",
    "token",
)


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: contract.type)
def test_an_event_is_the_same_after_it_was_written_and_read(contract):
    written = example_of(contract)
    assert contract.load(contract.dump(written)) == written


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: contract.type)
def test_an_event_is_named_in_the_past_tense_after_its_aggregate(contract):
    assert re.fullmatch(rf"({'|'.join(AGGREGATES)})(_[a-z]+)+", contract.name)
    assert contract_for(contract.type, contract.version) is contract


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: contract.type)
def test_every_personal_value_may_read_as_erased(contract):
    data = contract.dump(example_of(contract)) | dict.fromkeys(contract.personal_fields, ERASED)
    loaded = contract.load(data)
    assert all(getattr(loaded, name) is ERASED for name in contract.personal_fields)


def test_an_event_that_breaks_its_contract_is_refused_by_field_and_not_by_value():
    broken = ConsentGranted(account_id=uuid4(), purpose="world domination", effective_at=datetime.now(UTC))
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
    granted = ConsentGranted(account_id=uuid4(), purpose="product_news", effective_at=moment)
    assert contract_of(ConsentGranted).dump(granted)["effective_at"] == "2026-11-01T12:00:00.000005Z"
