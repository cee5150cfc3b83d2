"""Every read model of audit is made again from the leaves of its log, or from its own events, row by row."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from services.audit.checking.fsck import check_log
from services.audit.rebuilding import NOT_DERIVED, read_models
from services.audit.subscriptions import LOG
from shared.contracts.audit import ExportCompleted, ExportFailed, ExportPrepared, ExportRequested
from shared.contracts.events import contract_of
from shared.contracts.vocabulary import POLICY_LETTER
from shared.runtime.checking import Report
from tests.component.rebuilding import rebuild, rows_of, tables_of
from tests.component.services.audit.conftest import SPACE, entry, mixed_entry, person
from tests.component.services.audit.disclosures.test_disclosures import (
    COURT,
    MAILER,
    disclosure,
    ended,
    sent,
    tell,
    version,
)
from tests.making import append_event, example_of

MODELS = read_models(lambda *_: {})
TABLES = [table for model in MODELS for table in model.tables]


def told(event_class, **changes):
    return replace(example_of(contract_of(event_class)), **changes)


def letters_entry(index):
    """Leaves that say something for the registers of policies, and those of another epoch."""
    follows = {"epoch": 2, "position": index - 600}
    if index == 620:
        begun = {"last_common_position": 19, "repeated_events": 3, "epoch": 2, "last_common_event": str(SPACE)}
        return entry(index, "feed_epoch_begun", data=begun, **follows)
    letter = {"kind": "policy_update", "letter": POLICY_LETTER, "channel": "email", "about": str(SPACE)}
    moment = {"sent_at": "2026-11-02T00:00:00Z"}
    return entry(
        index, "notice_sent", subjects=[person(1)], data={"account_id": person(1), **letter, **moment}, **follows
    )


def make_log(log):
    """A log that says something for every read model, in batches other than those of a rebuild."""
    log.grow(620, mixed_entry, batch=130)
    log.grow(640, letters_entry, batch=7)
    tell(
        log,
        version(COURT, 1),
        version(MAILER, 1, kind="infrastructure_vendor", carries=["mail"]),
        disclosure(person(1)),
        sent(person(2), 2),
        version(COURT, 2, country="FR"),
        disclosure(person(2), 2, 3, country="FR"),
        ended(COURT, 4),
    )
    exports = [uuid4() for _ in range(3)]
    for export_id in exports:
        append_event(log.store, told(ExportRequested, export_id=export_id))
    append_event(log.store, told(ExportPrepared, export_id=exports[0]))
    append_event(log.store, told(ExportCompleted, export_id=exports[0], completed_at=datetime.now(UTC)))
    append_event(log.store, told(ExportFailed, export_id=exports[1], failed_at=datetime.now(UTC)))


def test_every_table_is_of_a_read_model_or_is_no_projection(databases):
    assert not set(TABLES) & NOT_DERIVED.keys()
    assert set(TABLES) | NOT_DERIVED.keys() == tables_of(databases, "audit")


def test_every_read_model_is_rebuilt_row_by_row(databases, log):
    make_log(log)
    before = rows_of(databases, "audit", TABLES)
    assert all(before.values()), [table for table, rows in before.items() if not rows]
    rebuild(databases, "audit", *MODELS)
    assert rows_of(databases, "audit", TABLES) == before


def test_the_log_goes_on_and_is_clean_after_its_read_models_were_rebuilt(databases, log):
    log.grow(520)
    rebuild(databases, "audit", *MODELS)
    log.grow(800)
    report = Report()
    check_log(log.engine, log.signer.verifier, log.directory, LOG, report)
    assert report.clean
