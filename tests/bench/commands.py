"""The command path, HTTP to committed event, and the authenticated read, each beside its bare counterpart."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

import psycopg

from deploy.local.platform import CHECKOUT, Platform
from tests.bench.load import Request, ask, drive
from tests.bench.people import influencers
from tests.bench.report import Report
from tests.making import eventually

SECONDS = 5.0
CALLERS = {1: 20, 10: 60, 40: 80}
"""How many callers at once, and among how many people, who are nobody else's."""
PURPOSES = ("product_news", "usage_analytics", "partner_introductions")


def measure(platform: Platform, report: Report) -> None:
    people = influencers(platform.base_url, sum(CALLERS.values()))
    unused = iter(people)
    groups = {callers: list(islice(unused, number)) for callers, number in CALLERS.items()}

    def command_of(callers: int) -> Callable[[int, int], Request]:
        """Each caller moves through people of its own, so that nobody's stream grows long: grant, then withdraw."""

        def command(caller: int, n: int) -> Request:
            mine = groups[callers][caller::callers]
            person = mine[n // 6 % len(mine)]
            method = "PUT" if n % 6 < 3 else "DELETE"
            return method, f"/v1/me/consents/{PURPOSES[n % 3]}", person.headers, None

        return command

    def read(caller: int, n: int) -> Request:
        return "GET", "/v1/me", people[caller].headers, None

    with stock(platform) as stock_url:
        row = ask(stock_url, "POST", "/rows", {"purpose": "product_news"})["id"]

        def stock_command(caller: int, n: int) -> Request:
            return "POST", "/rows", {"Content-Type": "application/json"}, b'{"purpose":"product_news"}'

        def stock_read(caller: int, n: int) -> Request:
            return "GET", f"/rows/{row}", {}, None

        for what, ours, bare in (("command", command_of, stock_command), ("read", lambda _: read, stock_read)):
            for callers in CALLERS:
                beside = drive(stock_url, callers, SECONDS, bare)
                measured = drive(platform.base_url, callers, SECONDS, ours(callers))
                report.add("commands", f"{what}, {callers} callers, bare", **vars(beside))
                report.add(
                    "commands",
                    f"{what}, {callers} callers",
                    **vars(measured),
                    ratio=round(measured.per_second / beside.per_second, 2),
                    aim=1.0,
                )


@contextmanager
def stock(platform: Platform) -> Iterator[str]:
    """The bare gateway and service, on the same broker and database server."""
    database = f"stock_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(platform.database_url("postgres", "postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}")
    url = platform.database_url(database, "postgres")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE stock (id uuid PRIMARY KEY, purpose text NOT NULL)")
    port = platform.state.port("stock")
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONWARNINGS": "ignore",
        "STOCK_DATABASE_URL": url,
        "STOCK_AMQP_URL": platform.description.amqp_url,
        "STOCK_PORT": str(port),
    }
    processes = [
        subprocess.Popen([sys.executable, "-m", "tests.bench.stock", which], env=environment, stderr=subprocess.DEVNULL)
        for which in ("service", "gateway")
    ]
    base_url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: _answers(base_url))
        yield base_url
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _answers(base_url: str) -> bool:
    try:
        ask(base_url, "POST", "/rows", {"purpose": "warm-up"})
    except (OSError, SystemExit):
        return False
    return True
