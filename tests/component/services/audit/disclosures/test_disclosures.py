"""Recipients and disclosures are read as their leaves tell them, each in the version that was in force."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid5

import pytest
from sqlalchemy import text

from services.audit.checking.fsck import check_log
from services.audit.disclosures import queries as disclosure_queries
from services.audit.disclosures.disclosing_events import DISCLOSING_EVENTS, client_organisation
from services.audit.disclosures.queries import DisclosurePlace, Selection
from services.audit.subscriptions import LOG
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339
from shared.runtime.checking import Report
from tests.component.services.audit.conftest import REGISTERS, SPACE, entry, person
from tests.making import NOON

COURT, MAILER = uuid5(SPACE, "court"), uuid5(SPACE, "mailer")


def at(hours: float) -> str:
    return rfc3339(NOON + timedelta(hours=hours))


def version(recipient: UUID, number: int, **changes):
    """What a leaf says of a version of a recipient."""
    values = {
        "recipient_id": str(recipient),
        "recipient_version": number,
        "kind": "authority",
        "legal_name": "District Court",
        "role": "controller",
        "country": "DE",
        "transfer_mechanism": "none_needed",
        "document_reference": "LAW-1",
        "carries": [],
        "valid_from": at(0),
    } | changes
    kind = "recipient_entered" if number == 1 else "recipient_revised"
    return kind, values | {f"{'entered' if number == 1 else 'revised'}_at": at(0)}


def disclosure(subject: str, number: int = 1, hours: float = 1, **changes):
    """What a leaf says of a disclosure to the court."""
    values = {
        "disclosure_id": str(uuid5(SPACE, "disclosure")),
        "subject_id": subject,
        "recipient_id": str(COURT),
        "recipient_version": number,
        "recipient_kind": "authority",
        "country": "DE",
        "transfer_mechanism": "none_needed",
        "categories": ["identity"],
        "purpose": "legal_demand",
        "legal_basis": "legal_obligation",
        "document_reference": "AZ-12/26",
        "designated_by": person(39),
        "disclosed_at": at(hours),
        "recorded_at": at(hours),
    } | changes
    return "disclosure_recorded", values


def sent(subject: str, hours: float, kind: str = "service"):
    """What a leaf says of a letter."""
    return "notice_sent", {
        "account_id": subject,
        "kind": kind,
        "letter": "announcement",
        "channel": "email",
        "sent_at": at(hours),
    }


def ended(recipient: UUID, hours: float):
    return "recipient_ended", {"recipient_id": str(recipient), "ended_at": at(hours)}


def tell(log, *told):
    """Lets the log grow by leaves that say this."""
    first = log.size()
    with log.engine.connect() as connection:
        rows = connection.execute(text("SELECT publisher, count(*) AS leaves FROM leaves GROUP BY publisher"))
        positions = Counter({row.publisher: row.leaves for row in rows})

    def make(index):
        kind, data = told[index - first]
        publisher = "identity" if kind.startswith(("notice", "consent")) else "audit"
        positions[publisher] += 1
        return entry(
            index,
            kind,
            publisher=publisher,
            position=positions[publisher],
            type=f"okacrm.{publisher}.{kind}",
            subjects=[data[name] for name in ("subject_id", "account_id") if name in data],
            data=data,
        )

    log.grow(first + len(told), make)


def page(log, selection, **options):
    with log.engine.connect() as connection:
        return disclosure_queries.disclosures(connection, selection, options.pop("place", None), 50, **options)


def shown(log, selection, **options):
    """What a page shows, in a few words: version and name of the recipient."""
    return [
        (each["recipient"]["version"], each["recipient"]["legal_name"])
        for each in page(log, selection, **options)["items"]
    ]


def test_a_disclosure_shows_the_version_of_its_time_also_after_others_came(log):
    tell(log, version(COURT, 1), disclosure(person(1), hours=1))
    tell(log, version(COURT, 2, legal_name="High Court", valid_from=at(5)), disclosure(person(1), 2, hours=6))
    tell(log, disclosure(person(1), 1, hours=2))
    assert shown(log, Selection(UUID(person(1)))) == [(2, "High Court"), (1, "District Court"), (1, "District Court")]
    times = [each["disclosed_at"] for each in page(log, Selection(UUID(person(1))))["items"]]
    assert times == [at(6), at(2), at(1)]


def test_letters_are_disclosures_to_whoever_carried_mail_when_they_were_sent(log):
    vendor = {"kind": "infrastructure_vendor", "role": "processor", "carries": ["mail"]}
    reader = UUID(person(1))
    tell(log, sent(person(1), 0))
    tell(log, version(MAILER, 1, **vendor | {"carries": []}, legal_name="Mail One", valid_from=at(1)))
    tell(
        log,
        sent(person(1), 2),
        version(MAILER, 2, **vendor, legal_name="Mail Two", valid_from=at(3)),
        sent(person(1), 4, kind="legal"),
        sent(person(2), 4),
    )
    tell(log, sent(person(1), 2.5), sent(person(1), 5), ended(MAILER, 6), sent(person(1), 7))
    assert shown(log, Selection(reader)) == [(2, "Mail Two"), (2, "Mail Two")]
    newest, first = page(log, Selection(reader))["items"]
    assert (first["legal_basis"], newest["legal_basis"]) == ("legal_obligation", "contract")
    assert first["categories"] == ["identity", "communications"]
    assert first["designated_by"] is None


def test_two_carriers_take_over_from_each_other(log):
    vendor = {"kind": "infrastructure_vendor", "carries": ["mail"]}
    other = uuid5(SPACE, "other mailer")
    tell(log, version(MAILER, 1, **vendor, legal_name="Mail One"), sent(person(1), 1))
    tell(log, version(other, 1, **vendor, legal_name="Mail Two", valid_from=at(2)), sent(person(1), 1.5))
    tell(log, sent(person(1), 3))
    assert shown(log, Selection(UUID(person(1)))) == [(1, "Mail Two"), (1, "Mail One"), (1, "Mail One")]


def test_what_a_client_sees_is_a_disclosure_to_its_organisation(log, monkeypatch):
    """No event is declared so yet: a letter stands in for a view in the portal."""
    (type_, declared), *_ = DISCLOSING_EVENTS.items()
    view = replace(declared, recipient=client_organisation("client_organisation_id"), purpose="client_collaboration")
    monkeypatch.setitem(DISCLOSING_EVENTS, type_, view)
    kind, data = sent(person(1), 1)
    tell(log, (kind, data | {"client_organisation_id": str(COURT)}))
    (seen,) = page(log, Selection(recipient=COURT))["items"]
    assert seen["recipient"] == {
        "recipient_id": str(COURT),
        "version": None,
        "kind": "client_user",
        "legal_name": None,
        "role": None,
        "country": None,
        "transfer_mechanism": None,
    }
    tell(log, (kind, data | {"client_organisation_id": str(COURT)}))
    with log.engine.connect() as connection:
        (counted,) = disclosure_queries.summary(connection, None, None)["items"]
    assert (counted["recipient_kind"], counted["country"], counted["disclosures"]) == ("client_user", None, 2)
    assert found(log) == set()


def test_what_is_withheld_is_shown_to_officers_and_to_its_person_only_when_it_may_be(log):
    gag = {"withheld_until": at(100), "withholding_reference": "GAG-1"}
    tell(log, version(COURT, 1), disclosure(person(1), hours=1), disclosure(person(1), hours=2, **gag))
    own = Selection(UUID(person(1)))
    assert len(page(log, own)["items"]) == 2
    assert len(page(log, own, tellable_at=NOON + timedelta(hours=99))["items"]) == 1
    assert len(page(log, own, tellable_at=NOON + timedelta(hours=100))["items"]) == 2


def test_disclosures_are_selected_and_paged_without_gap_or_repetition_while_the_log_grows(log):
    tell(log, version(COURT, 1), version(MAILER, 1, kind="advisor", legal_name="Firm"))
    tell(
        log,
        *(disclosure(person(n % 2), hours=n // 3) for n in range(12)),
        disclosure(person(1), hours=2, recipient_id=str(MAILER), recipient_kind="advisor"),
    )
    with log.engine.connect() as connection:

        def pages(selection, limit):
            found, place, grown = [], None, False
            while True:
                answer = disclosure_queries.disclosures(connection, selection, place, limit)
                found += [each["record_id"] for each in answer["items"]]
                if answer["next_cursor"] is None:
                    return found
                place = DisclosurePlace.from_text(answer["next_cursor"])
                if not grown:
                    tell(log, disclosure(person(1), hours=1))
                    grown = True

        whole = disclosure_queries.disclosures(connection, Selection(UUID(person(1))), None, 200)["items"]
        assert len(whole) == 7
        assert pages(Selection(UUID(person(1))), 2) == [each["record_id"] for each in whole]
        to_firm = disclosure_queries.disclosures(connection, Selection(recipient=MAILER), None, 10)["items"]
        assert [each["recipient"]["legal_name"] for each in to_firm] == ["Firm"]
        within = Selection(UUID(person(0)), COURT, NOON + timedelta(hours=1), NOON + timedelta(hours=3))
        times = [each["disclosed_at"] for each in disclosure_queries.disclosures(connection, within, None, 10)["items"]]
        assert times == [at(2), at(2), at(1)]


def test_the_register_is_read_as_of_any_moment(log):
    tell(log, version(COURT, 1, valid_until=at(4)), version(COURT, 2, legal_name="High Court", valid_from=at(5)))
    tell(log, version(MAILER, 1, kind="advisor", legal_name="Firm", valid_from=at(2)), ended(MAILER, 6))

    def register(hours):
        with log.engine.connect() as connection:
            items = disclosure_queries.recipients(connection, NOON + timedelta(hours=hours), None, 10)["items"]
        return {each["legal_name"]: each["state"] for each in items}

    assert register(1) == {"District Court": "in_force"}
    assert register(4) == {"District Court": "expired", "Firm": "in_force"}
    assert register(5) == {"High Court": "in_force", "Firm": "in_force"}
    assert register(6) == {"High Court": "in_force", "Firm": "ended"}
    with log.engine.connect() as connection:
        first = disclosure_queries.recipients(connection, NOON + timedelta(hours=6), None, 1)
        second = disclosure_queries.recipients(connection, NOON + timedelta(hours=6), UUID(first["next_cursor"]), 1)
        assert second["next_cursor"] is None
        assert len({each["recipient_id"] for each in (*first["items"], *second["items"])}) == 2
        court = disclosure_queries.recipient(connection, COURT)
        assert [each["legal_name"] for each in court["versions"]] == ["District Court", "High Court"]
        with pytest.raises(Problem, match="not-found"):
            disclosure_queries.recipient(connection, uuid5(SPACE, "nobody"))


def test_disclosures_are_counted_by_kind_country_and_mechanism(log):
    tell(log, version(COURT, 1), disclosure(person(1)), disclosure(person(2)), disclosure(person(1), hours=24))
    tell(log, disclosure(person(1), country="US", transfer_mechanism="derogation"))
    first_day = NOON.date()
    with log.engine.connect() as connection:
        counted = disclosure_queries.summary(connection, first_day, first_day)
        assert counted["disclosures"] == 3
        assert counted["items"][0] == {
            "recipient_kind": "authority",
            "country": "DE",
            "transfer_mechanism": "none_needed",
            "disclosures": 2,
        }
        assert disclosure_queries.summary(connection, None, None)["disclosures"] == 4
        in_use = disclosure_queries.kinds_in_use(connection)["in_use"]
        assert in_use == [{"kind": "authority", "recipients": 1, "disclosures": 4}]


def test_the_log_knows_whom_it_has_records_about(log):
    tell(log, sent(person(1), 0), sent(person(2), 0))
    with log.engine.connect() as connection:
        assert not disclosure_queries.unknown_subjects(connection, [UUID(person(1)), UUID(person(2))])
        assert disclosure_queries.unknown_subjects(connection, [UUID(person(1)), uuid5(SPACE, "nobody")])


def test_only_a_consent_of_the_person_that_was_in_force_can_be_relied_on(log):
    about = {"account_id": person(1), "purpose": "partner_introductions"}
    tell(log, ("consent_granted", about | {"effective_at": at(1)}))
    tell(log, ("consent_withdrawn", about | {"effective_at": at(3)}))
    granted, withdrawn = uuid5(SPACE, "event 0"), uuid5(SPACE, "event 1")
    with log.engine.connect() as connection:

        def in_force(record, subject, hours):
            moment = NOON + timedelta(hours=hours)
            return disclosure_queries.is_consent_in_force(connection, record, UUID(subject), moment)

        assert [hours for hours in (0, 1, 2, 3, 4) if in_force(granted, person(1), hours)] == [1, 2]
        assert not in_force(granted, person(2), 2)
        assert not in_force(withdrawn, person(1), 4)


PLANTS = {
    "recipient-version-missing": "DELETE FROM recipient_versions WHERE recipient_version = 2",
    "recipient-version-differs": "UPDATE recipient_versions SET legal_name = 'Ada' WHERE recipient_version = 2",
    "recipient-ending-missing": "DELETE FROM recipient_endings",
    "disclosure-missing": "DELETE FROM disclosures WHERE recipient_kind = 'authority'",
    "disclosure-differs": "UPDATE disclosures SET recipient_version = 1 WHERE recipient_kind <> 'authority'",
    "disclosure-without-leaf": "UPDATE disclosures SET leaf_index = 0 WHERE recipient_kind = 'authority'",
    "disclosure-day-differs": "UPDATE disclosure_days SET disclosures = disclosures + 1",
}


def test_what_is_broken_in_the_registers_is_found_and_nothing_else(log):
    """One log for all that can be broken: what was broken is put right again."""
    vendor = {"kind": "infrastructure_vendor", "carries": ["mail"]}
    tell(log, version(COURT, 1), version(MAILER, 1, **vendor), version(MAILER, 2, **vendor), sent(person(1), 1))
    tell(log, disclosure(person(1)), ended(COURT, 9))
    tables = (*REGISTERS, "disclosure_days")
    log.plant(";".join(f"CREATE TABLE {table}_before AS SELECT * FROM {table}" for table in tables))
    assert found(log) == set()
    for what, statement in PLANTS.items():
        log.plant(statement)
        assert what in found(log), what
        for table in tables:
            log.plant(f"TRUNCATE {table}; INSERT INTO {table} SELECT * FROM {table}_before")
    assert found(log) == set()


def found(log):
    report = Report()
    check_log(log.engine, log.signer.verifier, log.directory, LOG, report)
    return set(report.findings)
