"""Read models are rebuilt while people work, whatever happens to the command, and nobody notices."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count
from threading import Event
from typing import Any

import psycopg
import pytest

from deploy.local.platform import Platform
from services.audit import rebuilding as audit
from services.identity import rebuilding as identity
from tests.e2e.conftest import Browser
from tests.making import eventually

PURPOSE = "product_news"


def working(base_url: str, done: Event) -> tuple[Browser, bool]:
    """Somebody who changes their mind again and again, sees it each time, and says in the end what counts."""
    person = Browser(base_url)
    person.register()
    person.sign_in()
    for number in count():
        granted = number % 2 == 0
        person.done("PUT" if granted else "DELETE", f"/me/consents/{PURPOSE}")
        assert consented(person) == granted
        if done.is_set():
            return person, granted
    raise AssertionError


def consented(person: Browser) -> bool:
    return any(
        each["purpose"] == PURPOSE and each["state"] == "granted" for each in person.get("/me/consents")["items"]
    )


@contextmanager
def people_at_work(platform: Platform) -> Iterator[None]:
    done = Event()
    with ThreadPoolExecutor(2) as threads:
        people = [threads.submit(working, platform.base_url, done) for _ in range(2)]
        try:
            yield
        finally:
            done.set()
    for each in people:
        person, granted = each.result()
        assert consented(person) == granted


def killed_after(platform: Platform, lines: int, *arguments: str) -> list[str]:
    """What a rebuild prints until it is killed behind so many lines."""
    command = [sys.executable, "-m", "deploy.cli", "projections", "rebuild", *arguments]
    environment = {"PATH": os.environ["PATH"], "OKACRM_STATE_DIR": str(platform.state.root), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(lines)]
        process.kill()
    return printed


MODELS = {"identity": identity.read_models(lambda *_: {}), "audit": audit.read_models(lambda *_: {})}


def rows(platform: Platform, service: str) -> dict[str, list[str]]:
    """Every row of every read model of a service."""
    tables = [table for model in MODELS[service] for table in model.tables]
    with connection_to(platform, service) as connection:
        return {
            table: sorted(row for (row,) in connection.execute(f"SELECT {table}::text FROM {table}").fetchall())
            for table in tables
        }


def recorded(platform: Platform, service: str) -> int:
    """How much a service has recorded, of which its read models are made."""
    counted = "SELECT (SELECT count(*) FROM events)"
    if service == "audit":
        counted += " + (SELECT size FROM log_head)"
    with connection_to(platform, service) as connection:
        return int(connection.execute(counted).fetchone()[0])  # type: ignore[index]


def connection_to(platform: Platform, service: str) -> psycopg.Connection[Any]:
    database = platform.databases[service]
    return psycopg.connect(platform.database_url(database.name, database.owner), autocommit=True)


@pytest.mark.parametrize("service", ["identity", "audit"])
def test_read_models_are_rebuilt_under_load_and_after_kills(platform: Platform, okacrm: Any, service: str) -> None:
    with people_at_work(platform):
        for lines in (1, 2, 5):
            assert len(killed_after(platform, lines, service)) == lines
        rebuilt = okacrm("projections", "rebuild", service)
        assert rebuilt.returncode == 0, rebuilt.stderr + rebuilt.stdout
    assert "swapped in" in rebuilt.stdout.splitlines()[-1]
    listed = okacrm("projections", "list")
    assert listed.returncode == 0, listed.stderr
    assert f"{service} consents" in listed.stdout


def test_rebuilt_rows_are_those_that_were_there(platform: Platform, okacrm: Any, influencer: Browser) -> None:
    influencer.done("PUT", f"/me/consents/{PURPOSE}")

    def rebuilt_while_nothing_happened(service: str) -> bool:
        so_far, before = recorded(platform, service), rows(platform, service)
        assert okacrm("projections", "rebuild", service).returncode == 0
        after = rows(platform, service)
        if recorded(platform, service) != so_far:
            return False
        assert after == before
        return True

    for service in MODELS:
        eventually(partial(rebuilt_while_nothing_happened, service), within=120)
    assert okacrm("audit", "fsck").returncode == 0


def test_a_read_model_that_there_is_not_is_named_with_those_there_are(okacrm: Any) -> None:
    refused = okacrm("projections", "rebuild", "identity", "nonsense")
    assert refused.returncode == 2
    assert "accounts, consents" in refused.stderr
    assert okacrm("projections", "rebuild", "nonsense").returncode == 2
