"""An export holds exactly what was asked for, however it is interrupted, and belongs to who asked for it."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from base64 import b64decode
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from services.audit.exports import making as exporting
from services.audit.exports.forms import FORMS
from services.audit.exports.making import Exporter, retry_parked
from services.audit.exports.methods import OPEN
from services.audit.exports.projections import projections
from services.audit.pruning import PRUNED
from services.audit.search import sweeping
from services.audit.search.language import parse
from services.audit.service import Audit, AuditService
from services.audit.tree import verify
from services.audit.tree.leaves import Leaf
from shared.bus.actors import Actor, Call
from shared.contracts.problems import Problem
from shared.eventstore.pruning import Pruner
from shared.eventstore.rebuilding import own_read_models
from tests.component.rebuilding import rebuild
from tests.component.services.audit.conftest import SPACE, MadeLog, entry, person, plain_entry

OFFICER, COLLEAGUE = Actor("compliance", str(UUID(int=1))), Actor("compliance", str(UUID(int=2)))
QUERIES = (
    "",
    f"subject:{person(3)},{person(4)}",
    f"workspace:{SPACE}",
    "type:identity.consent_granted -actor:staff",
    "-type:identity.consent_granted occurred:2026-11-01T12:01:00Z..2026-11-01T12:08:00Z",
    "category:identity -occurred:2026-11-01T12:00:10Z..2026-11-01T12:00:20Z",
    "publisher:identity occurred:2026-11-01",
    "publisher:identity -publisher:identity",
)


class Office:
    """Where officers ask, and a courier that exports when it is told to."""

    def __init__(self, log: MadeLog) -> None:
        self.log = log
        self._service = AuditService()
        self._service.app = Audit(log.store, log.signer.verifier)

    def ask(self, method: str, actor: Actor = OFFICER, **arguments: Any) -> Any:
        call = Call("audit", method, arguments, actor, str(uuid4()), "test", deadline=time.time() + 60)
        reply = getattr(self._service, method)(call, **arguments)
        if "problem" in reply:
            raise Problem.from_json(reply["problem"])
        return reply["answer"]

    def request(self, q: str | None = None, form: str = "ndjson") -> str:
        return str(self.ask("request_export", q=q, form=form)["export_id"])

    def courier(self) -> Exporter:
        return Exporter(self.log.store, self.log.signer.verifier)

    def finish(self, export_id: str) -> dict[str, Any]:
        courier = self.courier()
        while (export := self.ask("read_export", export_id=export_id))["state"] == "running":
            assert courier.advance()
        return dict(export)

    def fetch(self, export: dict[str, Any]) -> bytes:
        parts = [
            b64decode(self.ask("read_export_part", export_id=export["export_id"], number=number)["content"])
            for number in range(1, export["parts"] + 1)
        ]
        assert [sha256(part).hexdigest() for part in parts] == export["part_sha256"]
        whole = b"".join(parts)
        assert (len(whole), sha256(whole).hexdigest()) == (export["bytes"], export["sha256"])
        return whole


@pytest.fixture(scope="module")
def office(filled) -> Office:
    return Office(filled)


@pytest.fixture(scope="module")
def leaves(filled) -> list[tuple[int, bytes]]:
    with filled.engine.connect() as connection:
        rows = connection.execute(text("SELECT leaf_index, leaf FROM leaves ORDER BY leaf_index"))
        return [(row.leaf_index, bytes(row.leaf)) for row in rows]


@pytest.fixture
def small(monkeypatch) -> None:
    """Parts and windows so small that everything is divided."""
    monkeypatch.setattr(exporting, "PART_RECORDS", 90)
    monkeypatch.setattr(exporting, "PART_BYTES", 50_000)
    monkeypatch.setattr(sweeping, "WINDOW", 70)
    monkeypatch.setattr(sweeping, "MOST_WINDOWS", 3)


def expected(leaves: list[tuple[int, bytes]], query: str, form: str) -> bytes:
    asked = parse(query)
    wanted = [(index, leaf) for index, leaf in leaves if asked.holds(Leaf.from_bytes(leaf))]
    return FORMS[form].header + FORMS[form].write(wanted)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("query", QUERIES)
def test_an_export_holds_exactly_what_was_asked_for(office, leaves, small, query, form):
    export = office.finish(office.request(query, form))
    assert office.fetch(export) == expected(leaves, query, form)
    assert export["progress"] == 100
    assert export["manifest"]["records"] == export["records"]
    assert export["manifest"]["files"] == {FORMS[form].file: {"bytes": export["bytes"], "sha256": export["sha256"]}}


def test_the_whole_log_proves_itself(office):
    export = office.finish(office.request())
    data, manifest = office.fetch(export), verify.canonical(export["manifest"])
    files = {"records.ndjson": lambda: iter([data]), "manifest.json": lambda: iter([manifest])}
    report = verify.verify(files, [str(office.log.signer.verifier)])
    assert report.records == 700
    assert (report.complete or "").startswith("the whole log")


def test_a_courier_goes_on_where_another_was_killed(office, leaves, small):
    """Each courier makes one part, of which a killed one had begun another."""
    export_id = office.request(f"-subject:{person(3)}")

    def die(*arguments: Any) -> None:
        raise KeyboardInterrupt

    progress = []
    while (export := office.ask("read_export", export_id=export_id))["state"] == "running":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(exporting, "_count", die)
            with contextlib.suppress(KeyboardInterrupt):
                office.courier().advance()
        office.courier().advance()
        progress.append(export["progress"])
    assert progress == sorted(progress)
    assert len(progress) > 5
    assert office.fetch(export) == expected(leaves, f"-subject:{person(3)}", "ndjson")


def test_two_couriers_make_one_export(office, leaves, small):
    export_id = office.request()
    couriers = [office.courier(), office.courier()]
    while (export := office.ask("read_export", export_id=export_id))["state"] == "running":
        for courier in couriers:
            courier.advance()
    assert office.fetch(export) == expected(leaves, "", "ndjson")


def test_a_short_export_does_not_wait_for_a_long_one(office, small):
    long, short = office.request(), office.request("category:identity occurred:..2026-11-01T12:00:10Z")
    courier = office.courier()
    while office.ask("read_export", export_id=short)["state"] == "running":
        courier.advance()
    assert office.ask("read_export", export_id=long)["state"] == "running"
    office.finish(long)


class Broken:
    """Makes going on with one export fail, as a fault of the program would."""

    def __init__(self, monkeypatch, form: str) -> None:
        self.tried: list[str] = []
        written = exporting.part_bytes

        def fail(*arguments: Any) -> bytes:
            if arguments[0] == form:
                self.tried.append(form)
                raise self.error
            return written(*arguments)

        self.error: Exception = ValueError("ada@example.org")
        monkeypatch.setattr(exporting, "part_bytes", fail)

    def now(self, office: Office) -> None:
        """Lets the pause of every export pass."""
        with office.log.engine.begin() as connection:
            connection.execute(text("UPDATE export_progress SET try_at = now()"))


class TestAnExportThatFails:
    @pytest.fixture
    def broken(self, monkeypatch) -> Broken:
        return Broken(monkeypatch, "csv")

    @pytest.fixture
    def office(self, log) -> Office:
        log.grow(30, plain_entry)
        return Office(log)

    def test_does_not_keep_the_others_waiting(self, office, broken):
        failing, other = office.request(form="csv"), office.request()
        assert office.finish(other)["state"] == "completed"
        export = office.ask("read_export", export_id=failing)
        assert (export["state"], export["failures"]) == ("running", 1)
        assert broken.tried == ["csv"]

    def test_is_parked_after_some_attempts(self, office, broken):
        export_id, courier = office.request(form="csv"), office.courier()
        for attempt in range(1, exporting.ATTEMPTS + 1):
            assert office.ask("read_export", export_id=export_id)["state"] == "running"
            assert courier.advance()
            assert not courier.advance(), "it is not its time yet"
            assert office.ask("read_export", export_id=export_id)["failures"] == attempt
            broken.now(office)
        assert office.ask("read_export", export_id=export_id)["state"] == "parked"
        assert not courier.advance()

    def test_is_tried_again_when_an_operator_wants_it(self, office, broken, monkeypatch):
        export_id, courier = office.request(form="csv"), office.courier()
        for _ in range(exporting.ATTEMPTS):
            courier.advance()
            broken.now(office)
        monkeypatch.undo()
        with office.log.engine.begin() as connection:
            assert retry_parked(connection, uuid4()) == 0
            assert retry_parked(connection, UUID(export_id)) == 1
        export = office.finish(export_id)
        assert (export["state"], export["failures"]) == ("completed", 0)

    def test_stays_parked_when_exports_are_made_anew_from_their_events(self, office, broken, databases, monkeypatch):
        export_id, courier = office.request(form="csv"), office.courier()
        for _ in range(exporting.ATTEMPTS):
            courier.advance()
            broken.now(office)
        rebuild(databases, "audit", *own_read_models(projections))
        export = office.ask("read_export", export_id=export_id)
        assert (export["state"], export["failures"]) == ("parked", exporting.ATTEMPTS)
        monkeypatch.undo()
        with office.log.engine.begin() as connection:
            assert retry_parked(connection, None) == 1
        assert office.finish(export_id)["state"] == "completed"

    def test_of_a_database_that_is_away_no_export_is_to_blame(self, office, broken):
        broken.error = OperationalError("", None, psycopg.errors.DiskFull())
        export_id, courier = office.request(form="csv"), office.courier()
        for _ in range(exporting.ATTEMPTS):
            with pytest.raises(Problem, match="service-unavailable"):
                courier.advance()
        assert office.ask("read_export", export_id=export_id)["failures"] == 0

    def test_for_being_too_slow_it_is_to_blame_itself(self, office, broken):
        broken.error = OperationalError("", None, psycopg.errors.QueryCanceled())
        export_id, courier = office.request(form="csv"), office.courier()
        assert courier.advance()
        assert office.ask("read_export", export_id=export_id)["failures"] == 1


def test_parts_can_be_fetched_while_the_export_runs(office, small):
    export_id = office.request()
    with pytest.raises(Problem, match="not-found"):
        office.ask("read_export_part", export_id=export_id, number=1)
    office.courier().advance()
    running = office.ask("read_export", export_id=export_id)
    assert (running["state"], running["parts"], running["sha256"], running["manifest"]) == ("running", 1, None, None)
    part = b64decode(office.ask("read_export_part", export_id=export_id, number=1)["content"])
    assert office.fetch(office.finish(export_id)).startswith(part)


def test_an_export_is_of_the_log_as_it_was_asked_for(log):
    log.grow(30, plain_entry)
    office = Office(log)
    export_id = office.request()
    log.grow(40, plain_entry)
    export = office.finish(export_id)
    assert (export["records"], export["checkpoint"]) == (30, 30)


def test_an_export_belongs_to_who_asked_for_it(office):
    export_id = office.request("publisher:audit")
    office.finish(export_id)
    for method, arguments in (("read_export", {}), ("read_export_part", {"number": 1})):
        with pytest.raises(Problem, match="not-found"):
            office.ask(method, COLLEAGUE, export_id=export_id, **arguments)
    assert office.ask("list_exports", COLLEAGUE) == {"items": [], "next_cursor": None}
    page = office.ask("list_exports", limit=1)
    assert [each["export_id"] for each in page["items"]] == [export_id]
    older = office.ask("list_exports", cursor=page["next_cursor"], limit=1)
    assert older["items"][0]["export_id"] < export_id


def test_asking_is_on_record_also_under_each_person(office):
    before = events(office.log)
    office.finish(office.request(f"subject:{person(5)},{person(6)}"))
    requested = events(office.log)[len(before) :]
    assert [each["type"].rpartition(".")[2] for each in requested] == [
        "question_asked",
        "question_asked",
        "export_requested",
        "export_completed",
    ]
    assert [each.get("datasubjects") for each in requested] == [person(5), person(6), None, None]
    assert requested[0]["data"]["question"] == "export"
    assert requested[3]["actor"] == "service:audit"


def test_a_log_without_checkpoint_has_nothing_to_export(log):
    with pytest.raises(Problem, match="not-yet-published"):
        Office(log).request()


def test_an_officer_has_ten_exports_under_way_at_most(log):
    log.grow(30, plain_entry)
    office = Office(log)
    for _ in range(OPEN.most):
        office.request()
    with pytest.raises(Problem, match="too-many-exports"):
        office.request()
    assert office.ask("request_export", COLLEAGUE, q=None, form="csv")
    office.courier().advance()
    office.courier().advance()
    assert office.request()


def test_an_officer_has_ten_exports_under_way_also_when_more_are_asked_for_at_once(log):
    log.grow(30, plain_entry)
    office = Office(log)
    asked, start = 2 * OPEN.most, threading.Barrier(10)

    def request(number: int) -> str:
        if number < 10:
            start.wait()
        try:
            office.request()
        except Problem as problem:
            return problem.code
        return "done"

    with ThreadPoolExecutor(10) as threads:
        came = Counter(threads.map(request, range(asked)))
    assert came == {"done": OPEN.most, "too-many-exports": asked - OPEN.most}


# --- bundles ---------------------------------------------------------------------------------------------------------


def test_a_bundle_waits_until_the_log_has_its_request_and_what_it_holds(log, tmp_path):
    log.grow(60)
    office = Office(log)
    export_id = office.request(f"workspace:{SPACE}", "evidence")
    assert not office.courier().advance()
    record_own_events(log)
    assert office.courier().advance()
    (prepared,) = [each["data"] for each in events(log) if each["type"] == "okacrm.audit.export_prepared"]
    assert not office.courier().advance()
    record_own_events(log)
    export = office.finish(export_id)
    report = verified(log, office.fetch(export), tmp_path)
    assert report.records == export["records"] == prepared["records"] > 0
    assert (report.complete or "").startswith(f"workspace:{SPACE}")


def test_a_bundle_is_prepared_again_when_its_files_changed_meanwhile(log, tmp_path, monkeypatch):
    log.grow(60)
    office = Office(log)
    export_id = office.request(f"subject:{person(3)}", "evidence")
    record_own_events(log)
    office.courier().advance()
    record_own_events(log)
    real = exporting.readable_files
    changed = {"keys.txt": f"{log.signer.verifier}\n\n".encode()}
    monkeypatch.setattr(exporting, "readable_files", lambda *about: real(*about) | changed)
    assert office.courier().advance()
    assert not office.courier().advance()
    record_own_events(log)
    assert verified(log, office.fetch(office.finish(export_id)), tmp_path).records
    assert sum(each["type"] == "okacrm.audit.export_prepared" for each in events(log)) == 2


def verified(log: MadeLog, bundle: bytes, folder: Path) -> verify.Report:
    (folder / "bundle.zip").write_bytes(bundle)
    return verify.verify(verify.open_bundle(folder / "bundle.zip"), [str(log.signer.verifier)])


@pytest.mark.parametrize(("limit", "value"), [("MOST_PROVEN", 20), ("MOST_PROVEN_BYTES", 5_000)])
def test_a_bundle_of_too_many_records_is_refused(log, monkeypatch, limit, value):
    monkeypatch.setattr(exporting, limit, value)
    log.grow(60)
    office = Office(log)
    export_id = office.request(form="evidence")
    record_own_events(log)
    export = office.finish(export_id)
    assert (export["state"], export["failure"], export["manifest"]) == ("failed", "too_many_records", None)


def test_exports_are_removed_after_a_month_and_what_is_open_stays(log):
    log.grow(60, plain_entry)
    office = Office(log)
    made = office.request()
    office.finish(made)
    open_ = office.request()
    pruner = Pruner(log.databases.engine("audit", autocommit=True), PRUNED, threading.Event())
    pruner.prune()
    assert len(office.ask("list_exports")["items"]) == 2
    with log.engine.begin() as connection:
        for table in ("exports", "export_progress"):
            connection.execute(text(f"UPDATE {table} SET ended_at = ended_at - :month"), {"month": timedelta(days=30)})
    pruner.prune()
    assert [each["export_id"] for each in office.ask("list_exports")["items"]] == [open_]
    with log.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM export_parts")) == 0


def events(log: MadeLog) -> list[dict[str, Any]]:
    with log.engine.connect() as connection:
        rows = connection.execute(text("SELECT body FROM events ORDER BY event_id"))
        return [json.loads(bytes(row.body)) for row in rows]


def record_own_events(log: MadeLog) -> None:
    """Follows audit's own feed into the log from where it had come, and signs it."""
    with log.engine.connect() as connection:
        recorded = connection.scalar(text("SELECT count(*) FROM leaves WHERE publisher = 'audit'")) or 0
    told, first = events(log)[recorded:], log.size()

    def own(index: int) -> Any:
        envelope = told[index - first]
        return entry(
            index,
            "",
            publisher="audit",
            position=recorded + index - first + 1,
            event_id=envelope["id"],
            stream=envelope["subject"],
            type=envelope["type"],
            actor=envelope["actor"],
            data=envelope["data"],
        )

    log.grow(first + len(told), own)
