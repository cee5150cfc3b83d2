"""What somebody changes behind the platform's back, and who notices: played on a real platform, one kind after another.

The platform is used and brought to rest, its services are halted, and everything is copied. Each kind is played on the
databases and files themselves, every check is asked, and everything is put back. The runbook repeats the table.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import create_engine
from structlog.testing import capture_logs

from deploy.cli import main
from deploy.local.platform import Platform
from services.audit.checking.comparer import ComparedCheckpoints, ComparedFeed, ComparedLeaves, Comparer
from services.audit.exports.projections import projections
from services.audit.intake.recovery import recover_from_archive
from services.audit.log.archive import ArchiveDamaged, archive_directory
from services.audit.log.checkpoints import Checkpointer
from services.audit.log.kept_checkpoints import checkpoint_directory
from services.audit.log.signer import GuardUnusable, guard_file, keys_file
from services.audit.subscriptions import LOG
from services.audit.tree.notes import Checkpoint, NoteSigner, Verifier, format_keys, verify_checkpoint
from shared.bus.feeds import answer_review
from shared.bus.subscriptions import Halted
from shared.contracts.services import SERVICE_NAMES
from shared.privacy.keyring import NoKeyring
from shared.runtime.config import Settings
from shared.service.wiring import event_store
from tests.e2e.restores.conftest import USERS, Restorable
from tests.e2e.test_disclosures import disclosure_body, recipient_body
from tests.making import eventually

STORE, LOGCHECK, STATUS, START, BACKGROUND = "events fsck", "audit fsck", "status", "start", "background"
WHO = (STORE, LOGCHECK, STATUS, START, BACKGROUND)
RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"
CHANGES = 130
"""So often somebody gives and takes back a consent: enough for a full tile."""

MIDDLE = """(
    SELECT position FROM feed JOIN events USING (event_id) WHERE type LIKE '%consent_granted' ORDER BY position LIMIT 1
)"""
A_REGISTRATION = "(SELECT event_id FROM events WHERE type LIKE '%account_registered' LIMIT 1)"
A_CONSENT = f"(SELECT event_id FROM feed WHERE position = {MIDDLE})"
HEAD = "(SELECT max(position) FROM feed)"
LAST = "(SELECT max(leaf_index) FROM leaves)"
GRANTED = "state = 'granted'"
AN_OLD_CHECKPOINT = "(SELECT size FROM checkpoints ORDER BY size OFFSET 1 LIMIT 1)"


def body(what: str, new: str, of: str = A_CONSENT) -> str:
    """Other text in the stored bytes of an event."""
    return f"""
        UPDATE events SET body = convert_to(regexp_replace(convert_from(body, 'UTF8'), '{what}', '{new}'), 'UTF8')
        WHERE event_id = {of}
    """


def without_leaves(first: str) -> str:
    """Forgets the end of the log, with everything that follows from its leaves."""
    tables = (
        *("consents", "reliances", "corrections", "policy_acknowledgements", "policy_notices", "recipient_versions"),
        *("recipient_endings", "disclosures", "sealed_values", "missing_values", "leaf_terms", "leaves"),
    )
    forgotten = "".join(f"DELETE FROM {table} WHERE leaf_index >= (SELECT first FROM end_of_log);" for table in tables)
    return f"""
        CREATE TEMPORARY TABLE end_of_log AS SELECT {first} AS first;
        {forgotten}
        UPDATE log_head SET size = (SELECT first FROM end_of_log);
        DELETE FROM checkpoints WHERE size > (SELECT first FROM end_of_log)
    """


def rewrite(directory: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Other lines in the only file of an archive."""
    (segment,) = (path for path in directory.iterdir() if path.name != "lock")
    segment.write_bytes(b"".join(change(segment.read_bytes().splitlines(keepends=True))))


@dataclass(frozen=True)
class Tampering:
    """One kind: what is done to the databases or files, and each who notices it, with a word by which it is told."""

    kind: str
    noticed: dict[str, str]
    identity: str = ""
    audit: str = ""
    files: Callable[[Played], None] = lambda played: None


def first(table: str, condition: str = "true") -> str:
    """Which row of a table that follows from leaves is meant: the first one of its kind."""
    return f"leaf_index = (SELECT min(leaf_index) FROM {table} WHERE {condition})"


def new_key(played: Played) -> NoteSigner:
    return NoteSigner.generate(played.origin)


def guard(text: Callable[[Played], str]) -> Callable[[Played], None]:
    """The guard holds something else."""
    return lambda played: guard_file(played.log).write_text(text(played)) and None


EVENTS = (
    Tampering(
        "an event's body changed",
        {STORE: "event-differs-from-its-leaf", BACKGROUND: "event-differs-from-its-leaf"},
        identity=body("product_news", "product_nows"),
    ),
    Tampering(
        "an event's ciphertext changed",
        {STORE: "event-differs-from-its-leaf", BACKGROUND: "event-differs-from-its-leaf"},
        identity=body('"ciphertext":"....', '"ciphertext":"AAAA', A_REGISTRATION),
    ),
    Tampering(
        "an event's actor changed",
        {STORE: "event-differs-from-its-leaf", BACKGROUND: "event-differs-from-its-leaf"},
        identity=body('"actor":"[a-z]*:', '"actor":"operator:'),
    ),
    Tampering(
        "something added to an event",
        {STORE: "event-differs-from-its-leaf", BACKGROUND: "event-differs-from-its-leaf"},
        identity=body(r"\}$", ',"zone":"1"}'),
    ),
    Tampering(
        "an event made unreadable",
        {STORE: "event-not-canonical", BACKGROUND: "event-malformed"},
        identity=body("^.", "["),
    ),
    Tampering(
        "two events swapped in the feed",
        {STORE: "another-event-in-its-place", BACKGROUND: "another-event-in-its-place"},
        identity=f"""
            CREATE TEMPORARY TABLE pair AS SELECT {MIDDLE} AS a, {MIDDLE} + 1 AS b;
            UPDATE feed SET position = a + b - position + 1000000 FROM pair WHERE position IN (a, b);
            UPDATE feed SET position = position - 1000000 WHERE position > 1000000
        """,
    ),
    Tampering(
        "an event replaced by a forged one",
        {STORE: "another-event-in-its-place", BACKGROUND: "another-event-in-its-place"},
        identity=f"""
            CREATE TEMPORARY TABLE forged AS SELECT position, event_id AS real_id, gen_random_uuid() AS forged_id
                FROM feed WHERE position = {MIDDLE};
            UPDATE events SET event_id = forged_id,
                body = convert_to(replace(convert_from(body, 'UTF8'), real_id::text, forged_id::text), 'UTF8')
                FROM forged WHERE event_id = real_id;
            UPDATE feed SET event_id = forged_id FROM forged WHERE feed.position = forged.position
        """,
    ),
    Tampering(
        "an event deleted with its feed row",
        {STORE: "feed-hole", START: "feed-rows-differ", BACKGROUND: "event-missing"},
        identity=f"""
            CREATE TEMPORARY TABLE gone AS SELECT event_id FROM feed WHERE position = {MIDDLE};
            DELETE FROM feed WHERE event_id IN (SELECT event_id FROM gone);
            DELETE FROM events WHERE event_id IN (SELECT event_id FROM gone)
        """,
    ),
    Tampering(
        "the newest events deleted, and the feed set back",
        {STORE: "feed-behind-the-log", START: "feed-behind-the-log", BACKGROUND: "event-missing"},
        identity=f"""
            CREATE TEMPORARY TABLE gone AS SELECT event_id FROM feed WHERE position > {HEAD} - 3;
            DELETE FROM feed WHERE event_id IN (SELECT event_id FROM gone);
            DELETE FROM events WHERE event_id IN (SELECT event_id FROM gone);
            UPDATE feed_head SET position = position - 3, published = published - 3
        """,
    ),
    Tampering(
        "a feed row deleted",
        {STORE: "event-not-in-feed", START: "feed-rows-differ", BACKGROUND: "event-missing"},
        identity=f"DELETE FROM feed WHERE position = {MIDDLE}",
    ),
    Tampering(
        "an event twice in the feed",
        {STORE: "event-placed-twice", START: "events-differ-from-their-places"},
        identity=f"""
            ALTER TABLE feed DROP CONSTRAINT feed_event_id_key;
            INSERT INTO feed SELECT {HEAD} + 1, epoch, event_id FROM feed WHERE position = {MIDDLE};
            UPDATE feed_head SET position = position + 1, published = published + 1
        """,
    ),
    Tampering(
        "an outbox row deleted",
        {STORE: "event-not-in-feed", START: "events-differ-from-their-places"},
        identity=f"""
            INSERT INTO events SELECT gen_random_uuid(), 'account-x', 1, type, schema_version, body FROM events
            WHERE event_id = {A_CONSENT}
        """,
    ),
    Tampering(
        "the head of a feed set back",
        {STORE: "feed-head-differs", START: "feed-behind-the-log"},
        identity="UPDATE feed_head SET position = position - 1, published = published - 1",
    ),
)
LEAVES = (
    Tampering(
        "a leaf changed with its hash",
        {STORE: "event-differs-from-its-leaf", LOGCHECK: "tile-differs", BACKGROUND: "archived-leaf-differs"},
        audit=f"""
            UPDATE leaves SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'), '_news', '_nows'), 'UTF8')
                WHERE {first("leaves", "type LIKE '%consent_granted'")};
            UPDATE leaves SET leaf_hash = sha256('\\x00'::bytea || leaf)
                WHERE {first("leaves", "type LIKE '%consent_granted'")}
        """,
    ),
    Tampering(
        "the last leaf deleted",
        {
            STORE: "event-without-leaf",
            LOGCHECK: "archive-ahead-of-the-log",
            STATUS: "guard-ahead-of-the-log",
            START: "archive-differs",
            BACKGROUND: "leaf-missing",
        },
        audit=without_leaves(LAST),
    ),
    Tampering(
        "the end of the log deleted",
        {
            STORE: "event-without-leaf",
            LOGCHECK: "archive-ahead-of-the-log",
            STATUS: "guard-ahead-of-the-log",
            START: "archive-differs",
            BACKGROUND: "leaf-missing",
        },
        audit=without_leaves(f"{LAST} - 20"),
    ),
    Tampering(
        "a leaf deleted",
        {STORE: "event-without-leaf", LOGCHECK: "leaf-missing", START: "leaves-differ", BACKGROUND: "leaf-missing"},
        audit="DELETE FROM leaves WHERE leaf_index = 100",
    ),
    Tampering(
        "a tile changed",
        {LOGCHECK: "tile-differs"},
        audit="UPDATE tiles SET hashes = set_byte(hashes, 7, 255 - get_byte(hashes, 7))",
    ),
    Tampering(
        "a cursor of the log set back",
        {LOGCHECK: "cursor-differs"},
        audit="UPDATE cursors SET position = position - 5 WHERE publisher = 'identity'",
    ),
)
FILES = (
    Tampering(
        "the archive changed",
        {LOGCHECK: "archived-leaf-differs", BACKGROUND: "archived-leaf-differs"},
        files=lambda played: rewrite(archive_directory(played.log), lambda lines: [lines[1], lines[0], *lines[2:]]),
    ),
    Tampering(
        "the archive truncated",
        {LOGCHECK: "archive-behind-a-checkpoint", STATUS: "the archive has", START: "archive-differs"},
        files=lambda played: rewrite(archive_directory(played.log), lambda lines: lines[:-3]),
    ),
    Tampering(
        "the archive removed",
        {LOGCHECK: "archive-behind-a-checkpoint", STATUS: "the archive has", START: "archive-differs"},
        files=lambda played: shutil.rmtree(archive_directory(played.log)),
    ),
    Tampering(
        "the guard ahead of the log",
        {LOGCHECK: "guard-differs", STATUS: "guard-ahead-of-the-log", START: "fork_refused"},
        files=guard(lambda played: played.signed(played.size + 7)),
    ),
    Tampering(
        "the guard put back to an earlier checkpoint",
        {LOGCHECK: "guard-differs", STATUS: "guard-contradicts", START: "was put back"},
        files=guard(lambda played: played.earlier_note),
    ),
    Tampering(
        "the guard removed",
        {LOGCHECK: "guard-differs", STATUS: "guard-missing", START: "guard-is-missing"},
        files=lambda played: guard_file(played.log).unlink(),
    ),
    Tampering(
        "the guard of another log",
        {LOGCHECK: "guard-differs", STATUS: "guard-unusable", START: "guard-is-damaged"},
        files=guard(lambda played: played.signed(played.size, NoteSigner.generate("okacrm.net/audit/other"))),
    ),
    Tampering(
        "an old checkpoint deleted",
        {LOGCHECK: "checkpoint-missing", START: "checkpoints-differ", BACKGROUND: "checkpoint-missing"},
        audit=f"DELETE FROM checkpoints WHERE size = {AN_OLD_CHECKPOINT}",
    ),
    Tampering(
        "a checkpoint changed",
        {LOGCHECK: "checkpoint-not-signed", BACKGROUND: "checkpoint-differs"},
        audit=f"UPDATE checkpoints SET note = translate(note, 'abc', 'bca') WHERE size = {AN_OLD_CHECKPOINT}",
    ),
    Tampering(
        "the newest checkpoint forged",
        {LOGCHECK: "checkpoint-not-signed", STATUS: "guard-contradicts", BACKGROUND: "checkpoint-differs"},
        audit="UPDATE checkpoints SET note = '{forged}' WHERE size = (SELECT max(size) FROM checkpoints)",
    ),
    Tampering(
        "a kept checkpoint removed",
        {LOGCHECK: "checkpoint-not-kept", START: "checkpoints-differ", BACKGROUND: "checkpoint-not-kept"},
        files=lambda played: rewrite(checkpoint_directory(played.log), lambda lines: [lines[0], *lines[2:]]),
    ),
    Tampering(
        "the private key of the log exchanged",
        {LOGCHECK: "log-private-key-differs", STATUS: "private-key-differs", START: "private key was not given"},
        files=lambda played: (played.state.secrets / "log.pem").write_bytes(new_key(played).pem()) and None,
    ),
    Tampering(
        "the public key of the log exchanged",
        {LOGCHECK: "log-keys-differ", STATUS: "keys-differ", START: "public key that was given"},
        files=lambda played: played.exchange_public_key(),
    ),
    Tampering(
        "the list of the log's keys changed",
        {LOGCHECK: "log-keys-differ", STATUS: "guard-unusable", START: "guard-is-damaged"},
        files=lambda played: keys_file(played.log).write_text(format_keys([new_key(played).verifier])) and None,
    ),
)
BESIDE = (
    Tampering(
        "a consent in the register changed",
        {LOGCHECK: "consent"},
        audit=f"UPDATE consents SET state = 'withdrawn' WHERE {first('consents', GRANTED)}",
    ),
    Tampering(
        "a disclosure deleted",
        {LOGCHECK: "disclosure"},
        audit=f"DELETE FROM disclosures WHERE {first('disclosures')}",
    ),
    Tampering(
        "an acknowledgement of a policy deleted",
        {LOGCHECK: "acknowledgement"},
        audit=f"DELETE FROM policy_acknowledgements WHERE {first('policy_acknowledgements')}",
    ),
    Tampering(
        "a record taken out of the search",
        {LOGCHECK: "term-missing"},
        audit="DELETE FROM leaf_terms WHERE leaf_index = 50",
    ),
    Tampering("a count by day changed", {LOGCHECK: "day-differs"}, audit="UPDATE log_days SET records = records + 1"),
    Tampering(
        "a sealed value changed",
        {LOGCHECK: "sealed-value-differs"},
        audit=f"UPDATE sealed_values SET ciphertext = sha256(ciphertext) WHERE {first('sealed_values')}",
    ),
    Tampering(
        "a sealed value deleted",
        {LOGCHECK: "sealed-value-missing"},
        audit=f"DELETE FROM sealed_values WHERE {first('sealed_values')}",
    ),
    Tampering(
        "an export's records changed",
        {LOGCHECK: "export-parts-differ"},
        audit="UPDATE export_parts SET leaf_indexes = leaf_indexes[2:]",
    ),
    Tampering(
        "an export's hash changed",
        {LOGCHECK: "export-differs"},
        audit="UPDATE exports SET sha256 = encode(sha256('x'), 'hex')",
    ),
)
TAMPERINGS = (*EVENTS, *LEAVES, *FILES, *BESIDE)


def change(platform: Platform, service: str, statements: str) -> None:
    """Does what the database refuses, as its superuser, after switching every refusal off; then they are on again."""
    with psycopg.connect(platform.database_url(platform.databases[service].name, "postgres")) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        guards = connection.execute(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'A'"
        ).fetchall()
        for table, name in guards:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
        changed = [connection.execute(each).rowcount for each in statements.split(";") if each.strip()]
        assert max(changed) > 0, "nothing was changed"
        for table, name in guards:
            connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


class Once:
    """Stops a loop after its first turn."""

    def __init__(self) -> None:
        self._stopped = False

    def is_set(self) -> bool:
        return self._stopped

    def set(self) -> None:
        self._stopped = True

    def wait(self, timeout: float | None = None) -> bool:
        self._stopped = True
        return True


class Direct:
    """Calls to a service that is halted, answered from its database."""

    def __init__(self, engines: dict[str, Any]) -> None:
        self._engines = engines

    def call(self, service: str, method: str, arguments: dict[str, Any], **_: Any) -> dict[str, Any]:
        assert method == "review_feed"
        return answer_review(self._engines[service], **arguments)


class Played:
    """A platform at rest, whose services are halted, with copies of everything."""

    def __init__(self, restorable: Restorable, folder: Path) -> None:
        self.restorable = restorable
        self.platform: Platform = restorable.platform
        self.state = self.platform.state
        self.log = self.state.audit_log
        self.origin = self.platform.description.log_origin
        self.folder = folder
        with self._halted():
            self.earlier = self.copy("earlier")
        use(restorable)
        restorable.await_rest()
        self.platform.supervisor.halt(*PROCESSES)
        self.size = restorable.one("audit", "SELECT size FROM log_head")
        self.earlier_note = restorable.one("audit", f"SELECT note FROM checkpoints WHERE size = {AN_OLD_CHECKPOINT}")
        self.newest_note = guard_file(self.log).read_text()
        self.whole = self.copy("whole")
        self.key = NoteSigner.from_pem(self.origin, (self.state.secrets / "log.pem").read_bytes())

    @contextmanager
    def _halted(self) -> Iterator[None]:
        self.restorable.await_rest()
        with self.restorable.stopped(*PROCESSES):
            yield

    # --- copies

    def copy(self, name: str) -> str:
        for service in SERVICE_NAMES:
            self.restorable.administer(f"CREATE DATABASE {name}_{service} TEMPLATE {self._database(service)}")
        kept = self.folder / name
        shutil.copytree(self.log, kept / "log")
        for path in (self.state.secrets / "log.pem", self.state.log_public_key):
            shutil.copy(path, kept)
        return name

    def put_back(self, name: str, *services: str) -> None:
        for service in services:
            self.restorable.put_back(service, f"{name}_{service}")
        kept = self.folder / name
        shutil.rmtree(self.log)
        shutil.copytree(kept / "log", self.log)
        shutil.copy(kept / "log.pem", self.state.secrets)
        shutil.copy(kept / self.state.log_public_key.name, self.state.log_public_key)

    @contextmanager
    def tampered(self, kind: Tampering) -> Iterator[None]:
        forged = self.signed(self.size, new_key(self))
        for service, statements in (("identity", kind.identity), ("audit", kind.audit.replace("{forged}", forged))):
            if statements:
                change(self.platform, service, statements)
        kind.files(self)
        try:
            yield
        finally:
            changed = {"identity": kind.identity, "audit": kind.audit}
            self.put_back(self.whole, *(service for service, statements in changed.items() if statements))

    def _database(self, service: str) -> str:
        return self.platform.databases[service].name

    # --- files

    def exchange_public_key(self) -> None:
        other = Ed25519PrivateKey.generate().public_key()
        self.state.log_public_key.write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def signed(self, size: int, key: NoteSigner | None = None) -> str:
        key = key or self.key
        return key.sign(Checkpoint(key.verifier.name, size, bytes(32)).format())

    # --- who notices

    def noticed(self) -> dict[str, set[str]]:
        """What each check says, by who says it."""
        said = {STORE: self.fsck("events"), LOGCHECK: self.fsck("audit")}
        with self.engines() as engines:
            counted, compared = self.compare(engines)
            troubles = self.troubles()
            # What the background found is shown by `status` as well, in a line of its own.
            assert bool(counted | compared) == any(FOUND_IN_BACKGROUND in each for each in troubles), troubles
            shown = {each for each in troubles if not re.search(f"{OF_HALTED}|{FOUND_IN_BACKGROUND}", each)}
            said |= {STATUS: shown, BACKGROUND: compared, START: counted | self.start(engines["audit"])}
        return {name: each for name, each in said.items() if each}

    def okacrm(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        answer = CliRunner().invoke(main, [*arguments, "--json"], env={"OKACRM_STATE_DIR": str(self.state.root)})
        start = answer.stdout.find("{")
        return answer.exit_code, json.loads(answer.stdout[start:]) if start >= 0 else {"error": answer.output}

    def fsck(self, group: str) -> set[str]:
        code, document = self.okacrm(group, "fsck")
        assert (code == 1) == bool(document.get("counts")), document
        assert code != 2, document
        return set(document["counts"])

    def troubles(self) -> set[str]:
        code, document = self.okacrm("status")
        assert code == 1
        return set(document["troubles"])

    @contextmanager
    def engines(self) -> Iterator[dict[str, Any]]:
        engines = {
            name: create_engine(
                self.platform.database_url(self._database(name)).replace("postgresql://", "postgresql+psycopg://")
            )
            for name in SERVICE_NAMES
        }
        try:
            yield engines
        finally:
            for engine in engines.values():
                engine.dispose()

    def compare(self, engines: dict[str, Any]) -> tuple[set[str], set[str]]:
        """What the background finds by counting, which it does at each start, and in a whole round."""
        rpc = Direct({name: engine.execution_options(isolation_level="AUTOCOMMIT") for name, engine in engines.items()})
        stores = [
            *(ComparedFeed(engines["audit"], rpc, name, LOG) for name in SERVICE_NAMES),  # type: ignore[arg-type]
            ComparedLeaves(engines["audit"], self.log),
            ComparedCheckpoints(engines["audit"], self.log),
        ]
        change(self.platform, "audit", "UPDATE comparisons SET position = 0, ended_at = NULL")
        comparer = Comparer(engines["audit"], stores, 12)
        while self.restorable.one("audit", "SELECT count(*) FROM comparisons WHERE ended_at IS NOT NULL") < len(stores):
            comparer.compare_next()
        found = self.restorable.rows("audit", "SELECT position, what FROM comparison_findings")
        return {row.what for row in found if row.position == 0}, {row.what for row in found if row.position > 0}

    def start(self, engine: Any) -> set[str]:
        """The alarms of audit's courier at its start."""
        settings = Settings(self.platform.environment("courier audit"))
        read_keys = lambda: NoteSigner.all_from_pem(settings.log_origin, settings.log_key)  # noqa: E731
        first_key = Verifier.from_pem(settings.log_origin, settings.log_public_key)
        alarms = set()
        try:
            with engine.begin() as connection:
                recover_from_archive(self.log, [key.verifier for key in read_keys()], LOG)(connection)
        except Halted as halted:
            alarms.add(str(halted))
        store = event_store("audit courier", settings, projections, NoKeyring())
        checkpointer = Checkpointer(engine, store, self.log, read_keys, first_key, Once())  # type: ignore[arg-type]
        with capture_logs() as lines, suppress(OSError, ArchiveDamaged, GuardUnusable):
            checkpointer.run()
        store.engine.dispose()
        return alarms | {f"{each['event']}: {each.get('reason')}" for each in lines if each["log_level"] == "error"}


PROCESSES = tuple({name for names in USERS.values() for name in names})
OF_HALTED = "is not ready|has not heard|mails are not sent|waits for|have been waiting"
FOUND_IN_BACKGROUND = "what is stored differs from what was recorded"


@pytest.fixture(scope="module", autouse=True)
def often() -> Iterator[None]:
    """The couriers of this module compare without pausing for long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OKACRM_COMPARED_PAGES_PER_MINUTE", "1200")
        yield


def test_a_running_platform_finds_a_changed_event_and_sees_it_mended(restorable: Restorable) -> None:
    ada = restorable.person()
    ada.done("PUT", "/me/consents/product_news")
    restorable.await_rest()
    found = "SELECT count(*) FROM comparison_findings WHERE store = 'identity'"
    assert "All is well." in restorable.okacrm("status", "--wait", "30").stdout

    change(restorable.platform, "identity", body("product_news", "product_nows"))
    eventually(lambda: restorable.one("audit", found) > 0)
    status = restorable.okacrm("status")
    assert status.returncode == 1
    assert re.search(r"! identity: .* 1 findings: event-differs-from-its-leaf identity feed \d+, data", status.stdout)
    assert restorable.logged("courier audit", "store_differs_from_record")
    checked = restorable.okacrm("events", "fsck", "identity")
    assert checked.returncode == 1
    assert "event-differs-from-its-leaf  identity feed" in checked.stdout

    change(restorable.platform, "identity", body("product_nows", "product_news"))
    eventually(lambda: restorable.one("audit", found) == 0)
    assert restorable.okacrm("events", "fsck").returncode == 0
    assert "All is well." in restorable.okacrm("status", "--wait", "30").stdout


def use(restorable: Restorable) -> None:
    """Makes something of everything that is tampered with."""
    officer, ada, bob = restorable.officer, restorable.person(), restorable.person()
    for _ in range(CHANGES):
        ada.done("PUT", "/me/consents/product_news")
        ada.done("DELETE", "/me/consents/product_news")
    court = officer.done("POST", "/audit/recipients", recipient_body())["recipient_id"]
    officer.done("POST", "/audit/disclosures", disclosure_body(court, ada.account_id))
    asked = officer.done("POST", "/audit/exports", {"form": "ndjson", "q": f"subject:{ada.account_id}"})
    eventually(lambda: officer.get(f"/audit/exports/{asked['export_id']}")["state"] == "completed")
    assert restorable.okacrm("keys", "destroy", bob.account_id, "--yes").returncode == 0


@pytest.fixture(scope="module")
def played(restorable: Restorable, tmp_path_factory: pytest.TempPathFactory) -> Played:
    return Played(restorable, tmp_path_factory.mktemp("copies"))


def test_nothing_is_noticed_where_nothing_was_changed(played):
    assert played.noticed() == {}
    assert played.size > 256


@pytest.mark.parametrize("kind", TAMPERINGS, ids=lambda each: each.kind)
def test_what_was_changed_is_noticed(played, kind):
    with played.tampered(kind):
        noticed = played.noticed()
    assert noticed.keys() == kind.noticed.keys(), noticed
    for who, word in kind.noticed.items():
        assert any(word in each for each in noticed[who]), noticed


def test_everything_put_back_together_is_seen_by_a_witness_alone(played):
    """Databases, archive, guard and kept checkpoints of one earlier moment tell one story, and it is no forgery."""
    played.put_back(played.earlier, *SERVICE_NAMES)
    try:
        assert played.noticed() == {}
        key = played.key.verifier
        shown = verify_checkpoint(guard_file(played.log).read_text(), [key])
        witnessed = verify_checkpoint(played.newest_note, [key])
    finally:
        played.put_back(played.whole, *SERVICE_NAMES)
    assert witnessed.size > shown.size, "whoever kept the newer checkpoint asks for a proof that there is none of"


def test_the_table_of_the_runbook_is_this_one():
    lines = RUNBOOK.read_text().split("## Tampering\n")[1].split("\n## ")[0].splitlines()
    told = [line for line in lines if line.startswith("| ") and not line.startswith(("| what is", "| put back"))]
    assert told == [row(each) for each in TAMPERINGS]


def row(kind: Tampering) -> str:
    """How the runbook tells of a kind."""
    marks = [f"`{kind.noticed[who]}`" if who in kind.noticed else "" for who in WHO]
    return f"| {kind.kind} | {' | '.join(marks)} |"
