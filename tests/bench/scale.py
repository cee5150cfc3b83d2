"""Two gateways and two identity services beside one of each, on the same cores."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local.platform import CHECKOUT, Platform
from tests.bench.commands import PURPOSES
from tests.bench.load import Request, ask, drive
from tests.bench.people import influencers
from tests.bench.report import Report
from tests.making import eventually

SECONDS = 5.0
CALLERS = 10


def measure(platform: Platform, report: Report) -> None:
    people = influencers(platform.base_url, 2 * CALLERS)

    def read(caller: int, n: int) -> Request:
        return "GET", "/v1/me", people[caller].headers, None

    def command(caller: int, n: int) -> Request:
        person = people[caller + CALLERS * (n // 6 % 2)]
        return "PUT" if n % 6 < 3 else "DELETE", f"/v1/me/consents/{PURPOSES[n % 3]}", person.headers, None

    for what, request in (("read", read), ("command", command)):
        alone = drive(platform.base_url, CALLERS, SECONDS, request)
        report.add("scale", f"{what}, one gateway and one identity", **vars(alone))
        with second(platform) as other_url:
            both = drive((platform.base_url, other_url), CALLERS, SECONDS, request)
        report.add(
            "scale",
            f"{what}, two gateways and two identities",
            **vars(both),
            ratio=round(both.per_second / alone.per_second, 2),
        )


@contextmanager
def second(platform: Platform) -> Iterator[str]:
    """A second gateway, by its address, and a second identity service."""
    port = platform.state.port("second gateway")
    processes = []
    for name in ("service identity", "gateway"):
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "PYTHONWARNINGS": "ignore"}
        environment |= platform.environment(name) | ({"OKACRM_HTTP_PORT": str(port)} if name == "gateway" else {})
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "deploy.cli", *name.split()], env=environment, stderr=subprocess.DEVNULL
            )
        )
    base_url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: _ready(base_url))
        yield base_url
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)


def _ready(base_url: str) -> bool:
    try:
        ask(base_url, "GET", "/readyz")
    except (OSError, SystemExit):
        return False
    return True
