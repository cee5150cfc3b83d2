"""What tests stand on: real servers, a whole platform when one is asked for, and fresh people.

Servers and platform are those of one run, and in it of one worker, in a temporary folder on ports of their own, so that
tests run beside a platform that is in use.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from deploy.local import state
from deploy.local.platform import Platform

# Whatever mail server the shell names: tests write to people whom there are not.
for name in ("OKACRM_SMTP_URL", "OKACRM_MAIL_FROM", "OKACRM_PUBLIC_URL"):
    os.environ.pop(name, None)

# Whoever runs tests in the background of a shell has them ignore Ctrl-C, and so would every process that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Workers that start platforms at the same time must not draw the same port, which is free until one of them uses it.
if "PYTEST_XDIST_WORKER" in os.environ:
    number, workers = os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"), os.environ["PYTEST_XDIST_WORKER_COUNT"]
    state.PORTS = state.PORTS[int(number) :: int(workers)]

settings.register_profile("okacrm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("okacrm")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sees to it that no two tests have one id: of those, workers would run a single one and be content."""
    for item in items:
        # schemathesis says in the name alone which operation a test is about.
        if item.parent is not None and not item.nodeid.endswith(item.name):
            item._id = item.parent.id.child(item.name)
    repeated = [nodeid for nodeid, tests in Counter(item.nodeid for item in items).items() if tests > 1]
    if repeated:
        # Not a UsageError, which would end a worker without a word.
        raise ValueError(f"several tests have the same id: {', '.join(repeated)}")


@pytest.fixture(scope="session")
def servers() -> Iterator[Platform]:
    """PostgreSQL and RabbitMQ with migrated databases; our own processes are not started."""
    # Not pytest's own temporary folder: the database server runs as another user, who must be able to reach its files.
    folder = Path(tempfile.mkdtemp(prefix="okacrm-test-"))
    platform = Platform(folder)
    try:
        platform.start_parts()
        yield platform
    finally:
        platform.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def platform(servers: Platform) -> Platform:
    """The whole platform, answering over HTTP."""
    servers.start_processes()
    return servers
