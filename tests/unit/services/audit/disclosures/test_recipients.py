"""A recipient is an organisation of a kind that the policy names, in versions of which one is in force at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.disclosures.aggregate.recipients import Particulars, Recipient
from services.audit.disclosures.aggregate.transfers import ADEQUACY_DECISIONS, EEA, admitted_mechanisms
from shared.contracts.audit import RecipientEnded, RecipientEntered, RecipientRevised
from shared.contracts.countries import COUNTRIES
from shared.contracts.events import InvalidEvent, contract_of
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import CLIENT_USER, ENTERED_RECIPIENT_KINDS, RECIPIENT_KINDS, TRANSFER_MECHANISMS
from tests.making import NOON

COURT = Particulars("Landgericht Köln", "controller", "DE", "none_needed", "ZPO-142", NOON)
HOUR = timedelta(hours=1)


def carried_out(recipient, command):
    """The events of a command, applied as the unit of work applies them."""
    events = []
    for event in command:
        recipient.apply(event)
        events.append(event)
    return events


def entered(*versions, kind="authority"):
    """A recipient in these versions."""
    recipient = Recipient(uuid4())
    first, *others = versions
    carried_out(recipient, recipient.enter(kind, first, now=NOON))
    for particulars in others:
        carried_out(recipient, recipient.revise(particulars, now=NOON))
    return recipient


def refused(command):
    with pytest.raises(Problem) as refusal:
        list(command)
    return refusal.value.code


def test_what_is_entered_is_the_first_version_and_each_revision_the_next():
    recipient = Recipient(uuid4())
    (first,) = carried_out(recipient, recipient.enter("authority", COURT, now=NOON))
    (second,) = carried_out(recipient, recipient.revise(replace(COURT, legal_name="OLG Köln"), now=NOON))
    assert (type(first), first.recipient_version, first.legal_name) == (RecipientEntered, 1, "Landgericht Köln")
    assert (type(second), second.recipient_version, second.legal_name) == (RecipientRevised, 2, "OLG Köln")
    assert second.kind == "authority"
    (end,) = carried_out(recipient, recipient.end(now=NOON + HOUR))
    assert end == RecipientEnded(recipient_id=recipient.id, ended_at=NOON + HOUR)


@pytest.mark.parametrize("kind", ["buyer", "data_broker", "advertiser", "", CLIENT_USER])
def test_a_buyer_cannot_be_entered_and_a_client_is_not(kind):
    """ "We do not sell": neither the aggregate nor the contract knows such a kind."""
    assert refused(Recipient(uuid4()).enter(kind, COURT, now=NOON)) == "recipient-kind-refused"
    (event,) = Recipient(uuid4()).enter("authority", COURT, now=NOON)
    with pytest.raises(InvalidEvent, match="kind"):
        contract_of(RecipientEntered).dump(replace(event, kind=kind))


def test_the_kinds_are_those_of_the_policy():
    assert RECIPIENT_KINDS == (
        "infrastructure_vendor",
        "integration_provider",
        "advisor",
        "authority",
        "successor",
        "client_user",
    )
    assert set(RECIPIENT_KINDS) - set(ENTERED_RECIPIENT_KINDS) == {"client_user"}


@pytest.mark.parametrize("name", ["ada@example.org", "Ada\nKing", " Firm", "x", "<b>Firm</b>", "a" * 121])
def test_what_is_no_name_of_an_organisation_is_not_recorded(name):
    (event,) = Recipient(uuid4()).enter("authority", replace(COURT, legal_name=name), now=NOON)
    with pytest.raises(InvalidEvent, match="legal_name"):
        contract_of(RecipientEntered).dump(event)


@pytest.mark.parametrize("reference", ["a letter to Ada", "dpa-1", "A", "-1", "A" * 62, "A1\n"])
def test_a_document_is_named_by_a_reference_and_not_in_words(reference):
    (event,) = Recipient(uuid4()).enter("authority", replace(COURT, document_reference=reference), now=NOON)
    with pytest.raises(InvalidEvent, match="document_reference"):
        contract_of(RecipientEntered).dump(event)


@given(st.sampled_from(sorted(COUNTRIES)), st.sampled_from(TRANSFER_MECHANISMS))
def test_a_transfer_rests_on_what_its_country_admits(country, mechanism):
    particulars = replace(COURT, country=country, transfer_mechanism=mechanism)
    command = Recipient(uuid4()).enter("authority", particulars, now=NOON)
    outside = country not in EEA
    admitted = {
        "none_needed": not outside,
        "adequacy": outside and country in ADEQUACY_DECISIONS,
        "scc": outside,
        "bcr": outside,
        "derogation": outside,
    }
    if admitted[mechanism]:
        assert len(list(command)) == 1
    else:
        assert refused(command) == "transfer-mechanism-refused"


def test_adequacy_begins_with_its_decision():
    decided = NOON.replace(year=2023, month=7, day=10)
    assert "adequacy" in admitted_mechanisms("US", decided)
    assert "adequacy" not in admitted_mechanisms("US", decided - timedelta(days=1))


def test_the_tables_name_countries_that_there_are_each_once():
    assert EEA | ADEQUACY_DECISIONS.keys() <= COUNTRIES
    assert len(EEA) == 30
    assert not EEA & ADEQUACY_DECISIONS.keys()


def test_it_ends_after_it_begins():
    for until in (NOON, NOON - HOUR):
        assert refused(Recipient(uuid4()).enter("authority", replace(COURT, valid_until=until), now=NOON)) == (
            "validity-refused"
        )


def test_only_a_vendor_carries_and_not_what_was_recorded_already():
    mail = replace(COURT, carries=["mail"])
    assert refused(Recipient(uuid4()).enter("authority", mail, now=NOON)) == "carrier-refused"
    assert refused(Recipient(uuid4()).enter("infrastructure_vendor", mail, now=NOON + HOUR)) == "validity-refused"
    assert entered(mail, kind="infrastructure_vendor").versions[0].carries == ["mail"]


def test_nothing_is_done_to_a_recipient_that_there_is_not_or_that_ended():
    nobody = Recipient(uuid4())
    assert refused(nobody.revise(COURT, now=NOON)) == refused(nobody.end(now=NOON)) == "not-found"
    ended = entered(COURT)
    carried_out(ended, ended.end(now=NOON))
    assert refused(ended.revise(COURT, now=NOON)) == refused(ended.end(now=NOON)) == "recipient-ended"


hours = st.integers(-5, 5)


@given(st.lists(st.tuples(hours, st.none() | st.integers(1, 5)), min_size=1, max_size=5), st.none() | hours, hours)
def test_the_last_version_that_has_begun_is_in_force_until_it_or_the_recipient_ends(spans, ended, moment):
    """Each version is (hour at which it begins, hours that it lasts)."""
    versions = [
        replace(COURT, valid_from=NOON + start * HOUR, valid_until=NOON + (start + length) * HOUR if length else None)
        for start, length in spans
    ]
    recipient = entered(*versions)
    if ended is not None:
        carried_out(recipient, recipient.end(now=NOON + ended * HOUR))
    expected = None
    for number, (start, length) in enumerate(spans, start=1):
        if start <= moment:
            expected = number if length is None or moment < start + length else None
    if ended is not None and moment >= ended:
        expected = None
    assert recipient.version_at(NOON + moment * HOUR) == expected
