"""A platform whose databases are really copied and really put back, through the server and nothing else."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from deploy.local import postgres
from deploy.local.interruption import Interruption
from deploy.local.platform import PROCESSES, Platform
from shared.contracts.services import SERVICE_NAMES
from tests.e2e.conftest import Browser
from tests.invariants import AUDIT, Findings, check_invariants, owner_connection
from tests.making import email, eventually

USERS = {
    "identity": ("service identity", "courier identity"),
    "audit": ("service audit", "courier audit"),
    "keyring": ("service identity", "courier identity"),
}
MAILS_AHEAD = """
    SELECT (SELECT count(*) FROM mails WHERE state = 'waiting' AND due_at <= now())
        + (SELECT count(*) FROM cursors JOIN feed_head h ON cursors.position < h.position
           WHERE publisher = 'identity' AND halted IS NULL)
        + (SELECT count(*) FROM outbox)
"""
"""How much is still to come that makes events by itself, since a mail that was sent is one."""


class Restorable:
    """A running platform with an officer who watches it, copies of its databases, and what is stored in it."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._numbers = itertools.count(1)
        self.officer = Browser(platform.base_url)
        self.officer.email = email()
        made = self.okacrm("staff", "create", self.officer.email, "--role", "compliance")
        assert made.returncode == 0, made.stderr
        self.officer.choose_password(made.stdout.split()[-1])
        self.officer.sign_in("compliance")
        self.officer.enrol()

    # --- people

    def person(self) -> Browser:
        """Somebody who has registered and signed in."""
        browser = Browser(self.platform.base_url)
        browser.register()
        browser.sign_in()
        return browser

    def okacrm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "OKACRM_STATE_DIR": str(self.platform.state.root)}
        command = [sys.executable, "-m", "deploy.cli", *arguments]
        return subprocess.run(command, text=True, capture_output=True, check=False, env=environment)

    def start_again(self, announce: Callable[[str], None]) -> None:
        """Stops everything, and starts it as another `okacrm up` would."""
        self.platform.stop()
        self.platform = Platform(self.platform.state.root)
        self.platform.start(announce)

    # --- copies

    @contextmanager
    def stopped(self, *processes: str) -> Iterator[None]:
        """Processes are down while the block runs."""
        self.platform.supervisor.halt(*processes)
        try:
            yield
        finally:
            self.platform.supervisor.resume(*processes)

    def copy(self, database: str) -> str:
        """A copy of a database, taken while nobody uses it."""
        copy = f"{self.platform.databases[database].name}_copy_{next(self._numbers)}"
        with self.stopped(*USERS[database]):
            self.administer(f"CREATE DATABASE {copy} TEMPLATE {self.platform.databases[database].name}")
        return copy

    def put_back(self, database: str, copy: str) -> None:
        """Replaces a database by a copy of it. Its users must be stopped."""
        plan = self.platform.databases[database]
        self.administer(f"DROP DATABASE {plan.name} WITH (FORCE)")
        self.administer(f"CREATE DATABASE {plan.name} OWNER {plan.owner} TEMPLATE {copy}")
        server = self.platform.database_url("postgres", "postgres")
        postgres.provision(server, {database: plan}, self.platform.state.password, Interruption())

    def restore(self, database: str, copy: str) -> None:
        with self.stopped(*USERS[database]):
            self.put_back(database, copy)

    def administer(self, statement: str, database: str = "postgres") -> None:
        with psycopg.connect(self.platform.database_url(database, "postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def require_sound(self) -> None:
        """Everything that is stored holds, by the judge of the tests and by the commands of the operator."""
        assert not (findings := self.judge()), findings
        for command in (("audit", "fsck"), ("events", "fsck")):
            checked = self.okacrm(*command)
            assert checked.returncode == 0, checked.stdout + checked.stderr

    # --- what is there

    def rows(self, database: str, query: str) -> list[Any]:
        with owner_connection(self.platform, database) as connection:
            return connection.execute(query).fetchall()

    def one(self, database: str, query: str) -> Any:
        return self.rows(database, query)[0][0]

    def completeness(self) -> dict[str, Any]:
        _, identity = self.officer.get("/audit/completeness")["publishers"]
        return identity

    def await_state(self, state: str) -> dict[str, Any]:
        """Waits until audit says so of identity's feed."""
        return eventually(lambda: (now := self.completeness())["state"] == state and now)

    def await_rest(self) -> None:
        """Waits until every mail is sent, and every committed event in the log, archived and under a checkpoint."""
        eventually(lambda: self.one("identity", MAILS_AHEAD) == 0)
        for service in SERVICE_NAMES:
            eventually(lambda service=service: self.one(service, "SELECT count(*) FROM outbox") == 0)

        def followed(service: str) -> bool:
            head = self.one(service, "SELECT position FROM feed_head WHERE published = position LIMIT 1")
            cursor = self.rows(AUDIT, f"SELECT position, head, halted FROM cursors WHERE publisher = '{service}'")[0]
            return (cursor.position, cursor.head, cursor.halted) == (head, head, None)

        def rests() -> bool:
            if not all(map(followed, SERVICE_NAMES)):
                return False
            size = self.one(AUDIT, "SELECT size FROM log_head")
            return bool(self.one(AUDIT, "SELECT coalesce(max(size), 0) FROM checkpoints") == size)

        eventually(lambda: _quietly(rests), within=60)

    def leaves(self) -> list[bytes]:
        return [bytes(row.leaf) for row in self.rows(AUDIT, "SELECT leaf FROM leaves ORDER BY leaf_index")]

    def sealed(self) -> dict[tuple[int, str], bytes]:
        rows = self.rows(AUDIT, "SELECT leaf_index, field, ciphertext FROM sealed_values")
        return {(row.leaf_index, row.field): bytes(row.ciphertext) for row in rows}

    def judge(self) -> Findings:
        self.await_rest()
        return check_invariants(self.platform, {})

    def logged(self, process: str, event: str) -> list[dict[str, Any]]:
        """What a process has said under this name."""
        lines = (self.platform.state.logs / f"{process.replace(' ', '-')}.log").read_text().splitlines()
        entries = (json.loads(line) for line in lines if line.startswith("{"))
        return [entry for entry in entries if entry["event"] == event]


def _quietly(condition: Any) -> bool:
    try:
        return bool(condition())
    except IndexError:
        return False


@pytest.fixture(scope="module")
def restorable() -> Iterator[Restorable]:
    """A platform of one module's own: what is lost here is nobody else's."""
    folder = Path(tempfile.mkdtemp(prefix="okacrm-restores-"))
    platform = Platform(folder)
    try:
        platform.start()
        made = Restorable(platform)
        yield made
        platform = made.platform
    finally:
        platform.stop()
        shutil.rmtree(folder, ignore_errors=True)


assert {name for names in USERS.values() for name in names} < set(PROCESSES)
