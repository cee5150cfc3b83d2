"""Every personal value there is belongs to an activity, and the register says what the product does."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from services.audit import pruning as audit_pruning
from services.identity.access import devices
from services.identity.access import pruning as identity_pruning
from shared.contracts.categories import Category
from shared.contracts.events import contract_of
from shared.contracts.identity import AccountRegistered, ConsentGranted, SessionOpened
from shared.contracts.vocabulary import LEGAL_BASES
from shared.privacy.data_map import (
    categories_of,
    data_map_page,
    personal_fields,
    register,
    retention_of,
    retention_of_category,
    services_of,
)
from shared.privacy.processing import ACTIVITIES, CARRIERS, POLICY_PURPOSES, Activity, Kept

PAGE = Path(__file__).parents[4] / "docs" / "data-map.md"
WHAT_TO_DO = (
    "name the event and the category of the field in `covers` of an activity in shared/privacy/processing.py, "
    "and write the page anew: okacrm privacy map > docs/data-map.md"
)


def test_every_personal_field_belongs_to_an_activity():
    without = [f"{each.event_type} v{each.version}, {each.name}" for each in personal_fields() if not each.activities]
    assert not without, WHAT_TO_DO


def test_a_field_that_no_activity_covers_is_found():
    of_accounts = [each for each in ACTIVITIES if each.name == "accounts"]
    without = {(each.event_type, each.name) for each in personal_fields(of_accounts) if not each.activities}
    assert (contract_of(AccountRegistered).type, "referral") in without
    assert (contract_of(AccountRegistered).type, "email") not in without


def test_the_page_is_what_the_code_says():
    assert PAGE.read_text() == data_map_page(), "docs/data-map.md is out of date: okacrm privacy map > docs/data-map.md"


def test_the_register_speaks_of_all_that_the_policy_speaks_of():
    """What has no activity here is not done by the product yet."""
    purposes = {purpose for each in ACTIVITIES for purpose in each.purposes}
    categories = {category for each in ACTIVITIES for category in categories_of(each)}
    assert set(POLICY_PURPOSES) - purposes == {"connections", "accounting"}
    assert set(Category) - categories == {Category.PLATFORM, Category.FINANCIAL}
    # Nobody's life was at stake yet.
    assert set(LEGAL_BASES) - {basis for each in ACTIVITIES for basis in each.legal_bases} == {"vital_interests"}


def test_what_is_pruned_is_kept_for_as_long_as_the_register_says():
    kept = [kept for each in ACTIVITIES for kept in each.keeps if kept.after is not None]
    pruned = {
        (service, each.table): each.kept
        for service, prunes in (("identity", identity_pruning.PRUNED), ("audit", audit_pruning.PRUNED))
        for each in prunes
        if each.table not in CARRIERS
    }
    of_nobody = {("audit", "export_progress")}
    devices_go = {("identity", "known_devices"): devices.REMEMBERED}
    parts_go_with_their_export = {("audit", "export_parts"): pruned["audit", "exports"]}
    said = {(each.service, each.table): each.after for each in kept}
    kept_of_people = {table: kept for table, kept in pruned.items() if table not in of_nobody}
    assert said == kept_of_people | devices_go | parts_go_with_their_export


def test_what_ends_after_a_time_or_with_something_is_told_in_words():
    def told(ends: str, after: timedelta | None = None) -> str:
        return retention_of(Kept("identity", "mails", "mails", Category.COMMUNICATIONS, "sealed", ends, after))

    assert told("they expire", timedelta(days=1)) == "a day after they expire"
    assert told("they expire", timedelta(days=30)) == "30 days after they expire"
    assert told("they expire", timedelta(hours=36)) == "36 hours after they expire"
    assert told("they expire") == "until they expire"
    assert told("never") == "for ever"


def test_how_long_a_category_can_be_read_follows_from_its_keys():
    assert "person and month" in retention_of_category(Category.TECHNICAL)
    assert "as law requires" in retention_of_category(Category.FINANCIAL)
    assert [each for each in Category if "law" in retention_of_category(each)] == [
        each for each in Category if each.kept_by_law
    ]


def activity(**changes):
    values = {
        "name": "test",
        "title": "Test",
        "description": "A test.",
        "purposes": ("access",),
        "legal_bases": {"contract": "Somebody asked for it."},
        "subjects": ("visitors",),
        "covers": {SessionOpened: (Category.TECHNICAL,)},
        "keeps": (),
    }
    return Activity(**values | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"purposes": ("world_domination",)},
        {"purposes": ()},
        {"legal_bases": {"because_we_can": "We can."}},
        {"subjects": ()},
        {"recipients": ("buyer",)},
        {"covers": {ConsentGranted: (Category.IDENTITY,)}},
        {"covers": {SessionOpened: (Category.FINANCIAL,)}},
    ],
)
def test_an_activity_is_said_in_words_that_there_are_about_data_that_there_is(changes):
    with pytest.raises(ValueError, match="test"):
        activity(**changes)


def test_what_an_event_holds_is_held_by_its_publisher_and_by_audit():
    assert services_of(activity()) == ["audit", "identity"]
    assert services_of(activity(covers={})) == []
    assert {each.services for each in personal_fields()} == {("identity", "audit")}


def test_the_register_answers_every_field_with_its_activities():
    document = register()
    (referral,) = [each for each in document["fields"] if each["field"] == "referral"]
    assert referral == {
        "type": "okacrm.identity.account_registered",
        "schema_version": 1,
        "field": "referral",
        "category": "technical",
        "of": "account_id",
        "services": ["identity", "audit"],
        "activities": ["referrals"],
    }
    names = {each["name"] for each in document["activities"]}
    assert {name for each in document["fields"] for name in each["activities"]} <= names
