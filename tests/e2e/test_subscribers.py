"""The programs of docs/subscribing.md, run as they are printed: each hears of every withdrawal."""

from __future__ import annotations

import os
import re
import runpy
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from deploy.local.platform import Platform
from deploy.local.rabbitmq import has_consumer
from shared.runtime.database import connect
from tests.e2e.conftest import Browser
from tests.making import eventually

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs" / "subscribing.md"
PROGRAM = re.compile(r"^```python\n# (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BY_BUS = "portal.py"
BY_HTTP = "newsletter_http.py"
BY_KOMBU = "newsletter_kombu.py"
BY_NAMEKO = "newsletter_nameko.py"

QUEUES = ("newsletter.withdrawals", "evt-identity-consent_withdrawn--newsletter.note_withdrawal")

Withdrawn = list[tuple[str, str]]


class Programs:
    """The printed programs in a folder of their own, and those of them that run."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        for name, text in PROGRAM.findall(PAGE.read_text()):
            (folder / name).write_text(text)
        self._environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{CHECKOUT}:{folder}"} | environment
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *programs: str) -> None:
        for program in programs:
            with self._output(program).open("ab") as output:
                self._running[program] = subprocess.Popen(
                    [sys.executable, program], cwd=self.folder, env=self._environment, stdout=output, stderr=output
                )

    def kill(self, *programs: str) -> None:
        for program in programs:
            self._running[program].kill()
            self._running.pop(program).wait()

    def stop(self) -> None:
        self.kill(*self._running)

    def printed(self, program: str) -> list[list[str]]:
        return [line.split() for line in self._output(program).read_text().splitlines()]

    def _output(self, program: str) -> Path:
        return self.folder / f"{program}.output"


@pytest.fixture(scope="module")
def portal(platform: Platform) -> Iterator[str]:
    """The database of one more service, with the tables that the page prints; its key is trusted."""
    administer = psycopg.connect(platform.database_url("postgres", "postgres"), autocommit=True)
    password = platform.state.password("portal")
    administer.execute(f"CREATE ROLE portal LOGIN PASSWORD '{password}'")
    administer.execute("CREATE DATABASE portal")
    yield platform.database_url("portal", "portal")
    administer.execute("DROP DATABASE portal WITH (FORCE)")
    administer.execute("DROP ROLE portal")
    administer.close()


@pytest.fixture(scope="module")
def programs(
    platform: Platform,
    portal: str,
    okacrm: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Programs]:
    folder = tmp_path_factory.mktemp("subscribers")
    key = Ed25519PrivateKey.generate()
    (folder / "portal.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (platform.state.trusted_keys / "portal.pem").write_bytes(public)
    platform.restart("service identity")
    made = okacrm("service-tokens", "create", "newsletter", "--feeds", "identity")
    assert made.returncode == 0, made.stderr
    started = Programs(
        folder,
        {
            "OKACRM_AMQP_URL": platform.description.amqp_url,
            "OKACRM_DATABASE_URL": portal,
            "OKACRM_SIGNING_KEY_FILE": str(folder / "portal.key"),
            "OKACRM_PUBLIC_URL": platform.base_url,
            "SERVICE_TOKEN": made.stdout.split()[-1],
        },
    )
    owner = connect(platform.database_url("portal", "postgres"), application_name="migration")
    with owner.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        runpy.run_path(str(folder / "portal_tables.py"))["upgrade"]()
    owner.dispose()
    yield started
    started.stop()


def test_every_printed_program_hears_of_every_withdrawal_and_the_exact_ones_once(
    platform: Platform, portal: str, programs: Programs, influencer: Browser
) -> None:
    def noted_by_bus() -> Withdrawn:
        with psycopg.connect(portal) as connection:
            rows = connection.execute(
                "SELECT account_id::text, purpose FROM withdrawals WHERE account_id = %s ORDER BY effective_at",
                [UUID(influencer.account_id)],
            )
            return [(account_id, purpose) for account_id, purpose in rows]

    def noted_over_http() -> Withdrawn:
        with closing(sqlite3.connect(programs.folder / "newsletter.db")) as database:
            if not database.execute("SELECT name FROM sqlite_master WHERE name = 'withdrawals'").fetchall():
                return []
            rows = database.execute(
                "SELECT account_id, purpose FROM withdrawals WHERE account_id = ?", [influencer.account_id]
            )
            return rows.fetchall()

    def printed_by(program: str) -> Withdrawn:
        return [(line[0], line[1]) for line in programs.printed(program) if line[:1] == [influencer.account_id]]

    withdrawn: Withdrawn = []

    def withdraw(*purposes: str) -> None:
        for purpose in purposes:
            influencer.done("PUT", f"/me/consents/{purpose}")
            influencer.done("DELETE", f"/me/consents/{purpose}")
            withdrawn.append((influencer.account_id, purpose))

    # Queues hold what happens from when they are there; feeds everything.
    programs.start(BY_KOMBU, BY_NAMEKO)
    eventually(lambda: all(has_consumer(platform.description.amqp_url, queue) for queue in QUEUES))
    programs.start(BY_BUS, BY_HTTP)
    withdraw("product_news", "usage_analytics")
    eventually(lambda: noted_by_bus() == noted_over_http() == withdrawn)
    programs.kill(BY_BUS, BY_HTTP)
    withdraw("partner_introductions", "product_news")
    programs.start(BY_BUS, BY_HTTP)
    withdraw("usage_analytics")
    eventually(lambda: noted_by_bus() == noted_over_http() == withdrawn)
    eventually(lambda: printed_by(BY_KOMBU) == withdrawn)
    eventually(lambda: sorted(printed_by(BY_NAMEKO)) == sorted(withdrawn))
