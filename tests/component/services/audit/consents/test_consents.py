"""What a person had consented to at any moment, as known at any other, and which processing rested on what."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.audit.consents import queries as consent_queries
from services.audit.consents import reliances
from services.audit.log.queries import Place
from services.audit.tree import evidence
from shared.contracts.problems import Problem
from shared.contracts.purposes import CONSENT_WORDINGS
from shared.contracts.times import rfc3339
from tests.component.services.audit.conftest import entry, person, plain_entry
from tests.making import NOON

ADA, BEN = person(1), person(2)
FOREVER = NOON + timedelta(days=36500)
GRANTED = {"purpose": "product_news", "wording_version": CONSENT_WORDINGS[-1], "legal_basis": "consent"}


def at(minutes):
    return NOON + timedelta(minutes=minutes)


def written(minutes):
    return rfc3339(at(minutes))


class Told:
    """A log to which one thing after the other is told; each is received a minute after the one before."""

    def __init__(self, log):
        self.log = log
        self.made = []

    def tell(self, name, /, *, subject=ADA, received=None, **data):
        """Appends a record, and answers its id."""
        index = self.log.size()
        received = index if received is None else received
        made = entry(
            index,
            name,
            subjects=[subject] if subject else [],
            data=data,
            schema_version=2 if "wording_version" in data and name == "consent_granted" else 1,
            received_at=written(received),
        )
        self.log.grow(index + 1, lambda _: made)
        return made.leaf.event_id

    def grant(self, minutes, **more):
        return self.tell("consent_granted", effective_at=written(minutes), **GRANTED, **more)

    def withdraw(self, minutes, **more):
        return self.tell("consent_withdrawn", purpose="product_news", effective_at=written(minutes), **more)

    def send(self, minutes, kind="product", **more):
        return self.tell(
            "notice_sent", kind=kind, letter="announcement", channel="email", sent_at=written(minutes), **more
        )

    def consents(self, *, as_of=FOREVER, known_at=None, place=None, limit=200):
        with self.log.engine.connect() as connection:
            return consent_queries.consents(connection, UUID(ADA), as_of, known_at, place, limit)

    def state(self, *, as_of, known_at=None):
        """How the consent to product news stood; None if nothing was known of it."""
        found = [
            each["state"]
            for each in self.consents(as_of=as_of, known_at=known_at)["consents"]
            if each["aspect"] == "consent"
        ]
        return found[0] if found else None

    def report(self, *, since=None, until=None, place=None, limit=500):
        with self.log.engine.connect() as connection:
            return reliances.without_basis(connection, since, until, place, limit)

    def violations(self):
        return {item["record_id"]: item["reason"] for item in self.report()["items"]}

    def receipt(self, *, minutes=100, subject=ADA):
        with self.log.engine.connect() as connection:
            return consent_queries.receipt(connection, UUID(subject), "product_news", at(minutes))


@pytest.fixture
def told(log):
    return Told(log)


def test_a_withdrawal_does_not_rewrite_the_past(told):
    told.grant(0, received=1)
    before = told.consents(as_of=at(5), known_at=at(8))
    told.withdraw(10, received=11)
    assert told.consents(as_of=at(5), known_at=at(8))["consents"] == before["consents"]
    assert [told.state(as_of=at(minutes)) for minutes in (-1, 0, 9, 10, 20)] == [
        None,
        "granted",
        "granted",
        "withdrawn",
        "withdrawn",
    ]


def test_what_arrives_late_counts_from_when_it_took_effect_for_those_who_know_of_it(told):
    told.grant(0, received=1)
    told.withdraw(5, received=30)
    assert told.state(as_of=at(10), known_at=at(20)) == "granted"
    assert told.state(as_of=at(10), known_at=at(30)) == "withdrawn"
    assert told.state(as_of=at(3), known_at=at(30)) == "granted"


def test_aspects_stand_beside_each_other(told):
    told.grant(0)
    told.tell("notice_objection_raised", kind="product", raised_at=written(1))
    told.tell("notice_preference_changed", kind="product", channel="email", wanted=False, changed_at=written(2))
    told.tell("account_restricted", restricted_at=written(3))
    told.tell("notice_objection_withdrawn", kind="product", withdrawn_at=written(4))
    stands = {(each["purpose"], each["aspect"], each["channel"]): each["state"] for each in told.consents()["consents"]}
    assert stands == {
        ("product_news", "consent", None): "granted",
        ("product_news", "objection", None): "objection_withdrawn",
        ("product_news", "preference", "email"): "not_wanted",
        ("every_purpose", "restriction", None): "restricted",
    }


def test_a_record_without_its_wording_and_one_with_it_stand_in_one_history(told):
    told.tell("consent_granted", purpose="product_news", effective_at=written(0))
    told.withdraw(1)
    told.grant(2)
    assert [(each["state"], each["wording_version"], each["legal_basis"]) for each in told.consents()["history"]] == [
        ("granted", CONSENT_WORDINGS[0], "consent"),
        ("withdrawn", None, "consent"),
        ("granted", CONSENT_WORDINGS[-1], "consent"),
    ]


def test_a_history_is_paged_as_it_stood_when_the_first_page_was_asked_for(told):
    ids = [told.grant(minutes) if minutes % 2 else told.withdraw(minutes) for minutes in (9, 2, 7, 4, 5)]
    first = told.consents(limit=2)
    told.withdraw(3)
    paged, page = list(first["history"]), first
    while page["next_cursor"]:
        page = told.consents(limit=2, place=Place.from_text(page["next_cursor"]))
        paged += page["history"]
    assert [each["record_id"] for each in paged] == [ids[number] for number in (1, 3, 4, 2, 0)]
    assert page["checkpoint"] == first["checkpoint"] == 5


MOMENTS = st.integers(0, 12)
HISTORIES = st.lists(st.tuples(st.booleans(), MOMENTS), max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HISTORIES, MOMENTS, st.integers(0, 9))
def test_the_register_says_what_a_naive_model_says(filled_histories, history, as_of, known):
    """Whatever is told in whatever order: the latest that had effect by then, of what was known by then."""
    told, subject = filled_histories(history)
    known_at = at(known)
    visible = [
        (moment, number, granted)
        for number, (granted, moment) in enumerate(history)
        if number <= known and moment <= as_of
    ]
    expected = None if not visible else "granted" if max(visible)[2] else "withdrawn"
    with told.engine.connect() as connection:
        found = consent_queries.consents(connection, subject, at(as_of), known_at, None, 200)
    assert [each["state"] for each in found["consents"]] == ([expected] if expected else [])
    assert len(found["history"]) == len([1 for number in range(len(history)) if number <= known])


@pytest.fixture
def filled_histories(log):
    """Tells a history of somebody new; its entries are received a minute after each other, from noon on."""

    def fill(history):
        first = log.size()
        subject = person(1000 + first)
        made = [
            entry(
                first + number,
                "consent_granted" if granted else "consent_withdrawn",
                subjects=[subject],
                data={"purpose": "product_news", "effective_at": written(moment)},
                received_at=written(number),
            )
            for number, (granted, moment) in enumerate(history)
        ]
        made.append(plain_entry(first + len(history)))
        log.grow(first + len(made), lambda index: made[index - first])
        return log, UUID(subject)

    return fill


def test_a_receipt_says_what_was_asked_and_said_and_proves_it(told, log):
    granted = told.grant(0)
    receipt = told.receipt()
    assert receipt["state"] == "given"
    assert receipt["record_metadata"] == {
        "schema_version": "ISO/IEC TS 27560:2023",
        "record_id": granted,
        "pii_principal_id": ADA,
    }
    assert receipt["pii_processing"]["privacy_notice"]["version"] == CONSENT_WORDINGS[-1]
    assert receipt["pii_processing"]["privacy_notice"]["text"]["en"]
    withdrawn = told.withdraw(10)
    receipt = told.receipt()
    assert (receipt["state"], [each["event_state"] for each in receipt["events"]]) == (
        "withdrawn",
        ["given", "withdrawn"],
    )
    assert receipt["pii_processing"]["privacy_notice"]["version"] == CONSENT_WORDINGS[-1]
    checked = evidence.verify(receipt["evidence"].encode(), [log.signer.verifier])
    assert [each.leaf.event_id for each in checked.records] == [granted, withdrawn]
    assert receipt["checkpoint"] == 2


def test_a_receipt_is_the_same_one_for_the_same_history(told):
    told.grant(0)
    first = told.receipt(minutes=50)["receipt_metadata"]["receipt_id"]
    assert told.receipt(minutes=60)["receipt_metadata"]["receipt_id"] == first
    told.withdraw(10)
    assert told.receipt()["receipt_metadata"]["receipt_id"] != first


def test_there_is_no_receipt_of_what_was_never_said_or_is_not_published(told, log):
    with pytest.raises(Problem, match="not-found"):
        told.receipt()
    told.grant(0)
    with pytest.raises(Problem, match="not-found"):
        told.receipt(subject=BEN)
    made = entry(1, "consent_withdrawn", subjects=[ADA], data={"purpose": "product_news", "effective_at": written(1)})
    log.append([made])
    with pytest.raises(Problem, match="not-yet-published"):
        told.receipt()
    log.sign()
    assert told.receipt()["state"] == "withdrawn"


def test_processing_with_a_consent_in_force_is_not_reported(told):
    told.send(0, kind="service")
    consent = told.grant(0)
    told.send(5)
    told.send(6, relied_on=consent)
    told.withdraw(10)
    report = told.report()
    assert (report["items"], report["looked_at"]) == ([], 2)


def test_processing_without_a_consent_in_force_is_named_with_its_record_and_reason(told):
    expected = {told.send(0): "never_asked"}
    consent = told.grant(1)
    told.send(2, relied_on=consent)
    expected[told.send(3, relied_on=person(7))] = "cites_another"
    told.tell("notice_objection_raised", kind="product", raised_at=written(4))
    expected[told.send(5)] = "objection"
    told.tell("notice_objection_withdrawn", kind="product", withdrawn_at=written(6))
    told.tell("notice_preference_changed", kind="product", channel="email", wanted=False, changed_at=written(7))
    expected[told.send(8)] = "not_wanted"
    told.tell("notice_preference_changed", kind="product", channel="email", wanted=True, changed_at=written(9))
    told.tell("account_restricted", restricted_at=written(10))
    expected[told.send(11)] = "restricted"
    told.tell("account_unrestricted", unrestricted_at=written(12))
    told.send(13)
    last_said = told.withdraw(14)
    expected[told.send(15, relied_on=consent)] = "withdrawn"
    expected[told.send(16, subject=BEN)] = "never_asked"
    assert told.violations() == expected
    named = {item["record_id"]: item for item in told.report()["items"]}
    violation = next(item for item in named.values() if item["reason"] == "withdrawn")
    assert (violation["subject"], violation["purpose"], violation["relied_on"], violation["last_said"]) == (
        ADA,
        "product_news",
        consent,
        last_said,
    )


def test_what_is_learned_later_does_not_change_the_judgement(told):
    told.grant(0)
    sent = told.send(5)
    told.withdraw(3)
    assert told.violations() == {}
    later = told.send(6)
    assert told.violations() == {later: "withdrawn"}
    assert sent != later


def test_the_report_is_paged_and_bounded_by_time(told):
    sent = [told.send(minutes) for minutes in (4, 2, 3, 1)]
    page, named = told.report(limit=3), []
    named += page["items"]
    told.send(0)
    while page["next_cursor"]:
        page = told.report(limit=3, place=Place.from_text(page["next_cursor"]))
        named += page["items"]
    assert [item["record_id"] for item in named] == [sent[number] for number in (3, 1, 2, 0)]
    within = told.report(since=at(2), until=at(4))["items"]
    assert [item["record_id"] for item in within] == [sent[1], sent[2]]
