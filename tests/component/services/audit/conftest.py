"""Logs made for a test: leaves of every kind in a database, signed, archived, and open to being broken."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine, text

from services.audit.exports.projections import projections
from services.audit.intake.recovery import _move_cursors
from services.audit.intake.sequencing import Entry, append_entries
from services.audit.log.archive import ArchiveWriter, archive_directory
from services.audit.log.kept_checkpoints import CheckpointKeeper
from services.audit.log.signer import guard_file
from services.audit.log.tiles import StoredTiles
from services.audit.subscriptions import LOG
from services.audit.tree import merkle
from services.audit.tree.leaves import Leaf, SealedField
from services.audit.tree.merkle import leaf_hash
from services.audit.tree.notes import Checkpoint, NoteSigner
from shared.contracts.categories import Category
from shared.contracts.times import rfc3339
from shared.eventstore.work import EventStore
from shared.privacy.keyring import NoKeyring
from shared.privacy.sealing import Sealed
from shared.privacy.secrets import ServiceSecret
from shared.runtime import clock
from tests.component.conftest import Databases
from tests.making import NOON

ORIGIN = "okacrm.net/audit/test"
SPACE = UUID(int=2026)
PEOPLE = 40
REGISTERS = ("recipient_versions", "recipient_endings", "disclosures")


def person(number: int) -> str:
    return str(uuid5(SPACE, f"person {number}"))


def plain_entry(index: int) -> Entry:
    """A leaf of the simplest kind, for when many are needed."""
    return entry(index, "account_profile_changed", subjects=[person(index % PEOPLE)])


def mixed_entry(index: int) -> Entry:
    """Registrations with sealed values first, then consents and events of workspaces, and erasures at the end."""
    subject = person(index % PEOPLE)
    if index < PEOPLE:
        data = {"policy_version": "2026-11-01", "registered_at": rfc3339(NOON)}
        return entry(index, "account_registered", subjects=[subject], sealed=("email", "name"), data=data)
    if index % 50 == 48:
        return entry(index, "account_erased", subjects=[subject], data={"account_id": subject})
    if index % 50 == 49:
        data = {"account_id": subject, "category": "identity"}
        return entry(index, "account_data_erased", subjects=[subject], data=data)
    if index % 3 == 0:
        moment = rfc3339(NOON + timedelta(seconds=index))
        return entry(
            index, "consent_granted", subjects=[subject], data={"purpose": "product_news", "effective_at": moment}
        )
    if index == 56:
        sent = {"kind": "product", "letter": "announcement", "channel": "email", "sent_at": rfc3339(NOON)}
        return entry(index, "notice_sent", subjects=[subject], data=sent)
    if index == 62:
        corrected = {"record_id": str(uuid5(SPACE, "event 60")), "correction_id": str(SPACE), "reason": "entered_twice"}
        return entry(
            index, "record_corrected", subjects=[subject], data=corrected, type="okacrm.audit.record_corrected"
        )
    count = sum(each % 3 == 1 and each % 50 < 48 for each in range(PEOPLE, index + 1))
    if index % 3 == 1:
        return entry(index, "session_opened", workspace=str(SPACE), workspace_counter=count)
    return plain_entry(index)


def entry(index: int, kind: str, *, sealed: Iterable[str] = (), **changes: Any) -> Entry:
    event_id = uuid5(SPACE, f"event {index}")
    moment = rfc3339(NOON + timedelta(seconds=index))
    values = {
        name: Sealed(
            sha256(f"{index} {name}".encode()).digest(),
            uuid5(SPACE, f"key {index}"),
            Category.IDENTITY,
            UUID(changes["subjects"][0]),
            name,
            event_id,
        )
        for name in sealed
    }
    document: dict[str, Any] = {
        "event_id": str(event_id),
        "publisher": "identity",
        "epoch": 1,
        "position": index + 1,
        "workspace": None,
        "workspace_counter": None,
        "stream": f"account-{event_id}",
        "stream_version": 1,
        "type": f"okacrm.identity.{kind}",
        "schema_version": 1,
        "actor": f"influencer:{event_id}",
        "subjects": [],
        "correlation": str(event_id),
        "causation": None,
        "occurred_at": moment,
        "received_at": moment,
        "data": {},
        "sealed": [
            SealedField(
                name,
                value.category.value,
                str(value.subject),
                str(value.key_id),
                sha256(value.ciphertext).hexdigest(),
            )
            for name, value in sorted(values.items())
        ],
    }
    leaf = Leaf(**document | changes)
    data = leaf.to_bytes()
    return Entry(index, leaf, data, leaf_hash(data), values)


@dataclass
class MadeLog:
    """A log that grows when it is told to."""

    databases: Databases
    directory: Path
    signer: NoteSigner

    @property
    def engine(self) -> Engine:
        """As the audit service sees it."""
        return self.databases.engine("audit")

    @property
    def store(self) -> EventStore:
        """Of what the service itself has to say."""
        engine = self.databases.engine("audit", autocommit=True)
        return EventStore(
            engine, NoKeyring(), ServiceSecret(b"s" * 32), projections, clock=clock.now, new_id=clock.new_id
        )

    def size(self) -> int:
        with self.engine.connect() as connection:
            return int(connection.scalar(text("SELECT size FROM log_head")) or 0)

    def grow(self, size: int, make: Callable[[int], Entry] = mixed_entry, batch: int = 4_000) -> None:
        """Appends leaves until there are `size`, and publishes a checkpoint over them."""
        while (first := self.size()) < size:
            self.append([make(index) for index in range(first, min(size, first + batch))])
        self.sign()

    def append(self, entries: list[Entry]) -> None:
        """Appends leaves over which there is no checkpoint yet."""
        with self.engine.begin() as connection:
            append_entries(connection, entries)
            _move_cursors(connection, LOG, entries)
        with ArchiveWriter(archive_directory(self.directory)) as archive:
            archive.append(entries[0].index, [each.leaf_bytes for each in entries])

    def sign(self) -> None:
        with self.engine.begin() as connection:
            note = self.note(connection, self.size())
            connection.execute(
                text("INSERT INTO checkpoints (size, note, signed_at) VALUES (:size, :note, :now)"),
                {"size": self.size(), "note": note, "now": NOON},
            )
        guard_file(self.directory).parent.mkdir(parents=True, exist_ok=True)
        guard_file(self.directory).write_text(note)
        with CheckpointKeeper(self.directory) as kept:
            kept.keep(note)

    def note(self, connection: Connection, size: int) -> str:
        return self.signer.sign(Checkpoint(ORIGIN, size, merkle.root(StoredTiles(connection), size)).format())

    def plant(self, statements: str) -> None:
        """Does what the database refuses, as its superuser, after switching every refusal off."""
        with self.databases.engine("audit", "superuser").begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            derived = (
                "leaves",
                "leaf_terms",
                "tiles",
                "checkpoints",
                "consents",
                "reliances",
                "corrections",
                "policy_acknowledgements",
                "policy_notices",
                *REGISTERS,
            )
            for table in derived:
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
            for statement in statements.split(";"):
                connection.exec_driver_sql(statement.replace("%", "%%"))


@pytest.fixture(scope="session")
def log_signer() -> NoteSigner:
    return NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@pytest.fixture
def log(databases: Databases, tmp_path: Path, log_signer: NoteSigner) -> MadeLog:
    """A log without leaves."""
    return MadeLog(databases, tmp_path, log_signer)


@pytest.fixture(scope="module")
def filled(servers, templates, tmp_path_factory, log_signer) -> Iterator[MadeLog]:
    """A log with 700 leaves of every kind and checkpoints of several sizes, to be copied."""
    databases = Databases(servers, templates)
    made = MadeLog(databases, tmp_path_factory.mktemp("log"), log_signer)
    for size in (1, 2, 255, 256, 300, 511, 512, 513, 700):
        made.grow(size)
    yield made
    databases.close()


@pytest.fixture
def copied(filled: MadeLog, tmp_path: Path) -> Iterator[MadeLog]:
    """A copy of that log, for this test to break."""
    filled.databases.rest()
    audit = replace(filled.databases.templates["audit"], name=filled.databases.name_of("audit"))
    databases = Databases(filled.databases.platform, filled.databases.templates | {"audit": audit})
    shutil.copytree(filled.directory, tmp_path, dirs_exist_ok=True)
    yield MadeLog(databases, tmp_path, filled.signer)
    databases.close()
