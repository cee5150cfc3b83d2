"""A disclosure is recorded for everybody whom it is about, to the version in force, on grounds that hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from uuid import uuid4

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.audit.disclosures.aggregate.disclosures import Disclosure, Grounds
from services.audit.disclosures.aggregate.recipients import Recipient
from services.audit.disclosures.disclosing_events import DISCLOSING_EVENTS, Carriers, Reached, client_organisation
from services.audit.disclosures.queries import DisclosurePlace, Selection
from services.audit.search.language import parse
from services.identity.notices.kinds import KINDS
from shared.contracts.audit import DisclosureRecorded
from shared.contracts.events import contract_of
from shared.contracts.identity import NoticeSent
from shared.contracts.vocabulary import (
    DATA_CATEGORIES,
    DISCLOSURE_PURPOSES,
    ENTERED_RECIPIENT_KINDS,
    LEGAL_BASES,
    NOTICE_KINDS,
)
from tests.making import NOON
from tests.unit.services.audit.disclosures.test_recipients import COURT, HOUR, entered, refused

GROUNDS = Grounds(["identity"], "legal_demand", "legal_obligation", "AZ-12/26", NOON)


def recorded(recipient, grounds, *subjects, now=NOON + HOUR):
    return Disclosure(uuid4()).record(
        recipient, grounds, subjects=subjects or [uuid4()], designated_by=uuid4(), now=now
    )


def test_a_disclosure_about_several_people_is_recorded_for_each_of_them_once():
    ada, grace = uuid4(), uuid4()
    events = list(recorded(entered(COURT), GROUNDS, ada, grace, ada))
    assert [event.subject_id for event in events] == [ada, grace]
    assert len({event.disclosure_id for event in events}) == 1


def test_it_names_the_version_that_was_in_force_then():
    recipient = entered(
        COURT, replace(COURT, country="US", transfer_mechanism="derogation", valid_from=NOON + 2 * HOUR)
    )
    early = recorded(recipient, GROUNDS, now=NOON + 9 * HOUR)
    late = recorded(recipient, replace(GROUNDS, disclosed_at=NOON + 2 * HOUR), now=NOON + 9 * HOUR)
    assert [(event.recipient_version, event.country, event.transfer_mechanism) for event in (*early, *late)] == [
        (1, "DE", "none_needed"),
        (2, "US", "derogation"),
    ]


def test_a_recipient_that_there_is_not_or_was_not_in_force_received_nothing():
    assert refused(recorded(Recipient(uuid4()), GROUNDS)) == "not-found"
    before = replace(GROUNDS, disclosed_at=NOON - HOUR)
    assert refused(recorded(entered(COURT), before)) == "recipient-not-in-force"


def test_what_is_still_to_come_is_not_recorded():
    assert refused(recorded(entered(COURT), GROUNDS, now=NOON - HOUR)) == "disclosure-in-future"


def test_a_consent_is_cited_exactly_where_the_disclosure_rests_on_it_and_is_one_persons_own():
    cited = replace(GROUNDS, consent_record_id=uuid4())
    resting = replace(GROUNDS, legal_basis="consent")
    both = replace(cited, legal_basis="consent")
    assert refused(recorded(entered(COURT), cited)) == "consent-not-cited"
    assert refused(recorded(entered(COURT), resting)) == "consent-not-cited"
    assert refused(recorded(entered(COURT), both, uuid4(), uuid4())) == "consent-not-cited"
    (event,) = recorded(entered(COURT), both)
    assert event.consent_record_id == both.consent_record_id


@pytest.mark.parametrize(
    "changes",
    [
        {"withheld_until": NOON + HOUR},
        {"withholding_reference": "STPO-101"},
        {"withheld_until": NOON, "withholding_reference": "STPO-101"},
    ],
)
def test_nothing_is_withheld_without_a_document_or_until_before_it_happened(changes):
    assert refused(recorded(entered(COURT), replace(GROUNDS, **changes))) == "withholding-refused"


@given(
    st.sampled_from(ENTERED_RECIPIENT_KINDS),
    st.lists(st.sampled_from(DATA_CATEGORIES), min_size=1),
    st.sampled_from(DISCLOSURE_PURPOSES),
    st.sampled_from([basis for basis in LEGAL_BASES if basis != "consent"]),
    st.booleans(),
)
def test_what_is_recorded_satisfies_its_contract_and_only_authorities_can_withhold(
    kind, categories, purpose, basis, withheld
):
    gag = {"withheld_until": NOON + timedelta(days=90), "withholding_reference": "STPO-101/5"} if withheld else {}
    command = recorded(entered(COURT, kind=kind), Grounds(categories, purpose, basis, "AZ-12/26", NOON, **gag))
    if withheld and kind != "authority":
        assert refused(command) == "withholding-refused"
        return
    (event,) = command
    data = contract_of(DisclosureRecorded).dump(event)
    assert data["categories"] == sorted(set(categories))
    assert data["recipient_kind"] == kind


# --- asking for them


moments = st.datetimes(
    NOON.replace(year=1950, tzinfo=None), NOON.replace(year=2900, tzinfo=None), timezones=st.just(UTC)
)


@given(st.none() | st.uuids(), st.none() | st.uuids(), st.none() | st.tuples(moments, moments))
def test_what_is_asked_about_disclosures_is_kept_in_the_query_language(subject, recipient, period):
    since, until = sorted(period) if period else (None, None)
    assume(since is None or since < until)
    query = parse(str(Selection(subject, recipient, since, until)))
    assert query.subjects == ((subject,) if subject else ())
    assert (query.since, query.until) == (since, until)
    assert {term.qualifier: term.values for term in query.terms}.get("recipient") == (
        (str(recipient),) if recipient else None
    )


@given(st.integers(1, 10**9), moments, st.integers(0, 10**9))
def test_a_cursor_names_its_place(size, moment, index):
    place = DisclosurePlace(size + index, moment, index)
    assert DisclosurePlace.from_text(str(place)) == place


@pytest.mark.parametrize("text", ["", "1.2", "1.2.1", "a.1.0", "5.x.1", "9.1.²", f"9.{'9' * 18}.1", f"{2**63}.1.1"])
def test_what_is_no_cursor_names_no_place(text):
    with pytest.raises(ValueError, match="not a cursor"):
        DisclosurePlace.from_text(text)


# --- disclosures by events


def test_what_a_letter_rests_on_is_what_identity_says_of_its_kind():
    letters = DISCLOSING_EVENTS[contract_of(NoticeSent).type]
    bases = {kind: letters.legal_basis({"kind": kind}) for kind in NOTICE_KINDS}
    assert {kind: KINDS[kind].legal_basis for kind in NOTICE_KINDS} == bases


def test_what_is_declared_of_an_event_are_fields_of_it_and_words_of_the_vocabularies():
    for declared in DISCLOSING_EVENTS.values():
        contract = contract_of(declared.event)
        assert declared.subject in contract.subject_fields
        assert declared.at in contract.fields
        assert declared.purpose in DISCLOSURE_PURPOSES


def test_users_of_a_client_organisation_are_known_by_it_alone():
    organisation = uuid4()
    find = client_organisation("client_organisation_id")
    reached = find({"client_organisation_id": str(organisation)}, NOON, Carriers())
    assert reached == Reached(organisation, "client_user")
