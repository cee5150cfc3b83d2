"""From the command to the audited record, at a steady rate of commands."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import psycopg

from deploy.local.platform import Platform
from tests.bench.load import Request, ask, summary
from tests.bench.people import influencers
from tests.bench.report import Report
from tests.making import eventually

RATE = 50
SECONDS = 20.0
PURPOSES = ("product_news", "usage_analytics", "partner_introductions")


def measure(platform: Platform, report: Report) -> None:
    people = influencers(platform.base_url, 40)
    database = platform.databases["audit"]
    before = _records(platform, database.name)

    def command(n: int) -> Request:
        person = people[n % len(people)]
        turn = n // len(people)
        method = "PUT" if turn // 3 % 2 == 0 else "DELETE"
        return method, f"/v1/me/consents/{PURPOSES[turn % 3]}", person.headers, None

    def send(n: int) -> None:
        method, path, headers, _ = command(n)
        ask(platform.base_url, method, path, headers=headers)

    begun = time.monotonic()
    with ThreadPoolExecutor(16) as threads:
        for n in range(int(RATE * SECONDS)):
            time.sleep(max(0.0, begun + n / RATE - time.monotonic()))
            threads.submit(send, n)
    eventually(lambda: _records(platform, database.name) >= before + int(RATE * SECONDS))
    with psycopg.connect(platform.database_url(database.name, "postgres")) as connection:
        rows = connection.execute(
            """
            SELECT leaf ->> 'occurred_at', leaf ->> 'received_at' FROM (
                SELECT convert_from(leaf, 'utf8')::jsonb AS leaf FROM leaves
                WHERE type LIKE '%%consent%%' ORDER BY leaf_index DESC LIMIT %s
            ) AS latest
            """,
            [int(RATE * SECONDS)],
        ).fetchall()
    lags = [(datetime.fromisoformat(b) - datetime.fromisoformat(a)).total_seconds() for a, b in rows]
    shown = summary(lags, SECONDS)
    report.add("latency", f"event to audited at {RATE} commands/s", p50=shown.p50, p99=shown.p99, aim="p50 50, p99 250")


def _records(platform: Platform, database: str) -> int:
    with psycopg.connect(platform.database_url(database, "postgres")) as connection:
        (size,) = connection.execute("SELECT size FROM log_head").fetchone() or (0,)
    return int(size)
