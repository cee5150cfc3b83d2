"""The platform that fault tests break: one of their own, so that no other test meets what they leave running."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.platform import Platform
from tests.chaos.faults import IN_FLIGHT, PEOPLE, SEED, Disturbed
from tests.chaos.load import Load


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the long form of the fault tests (as OKACRM_CHAOS=long)")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: the long form of the fault tests, run by `make chaos` only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long", default=False) or os.environ.get("OKACRM_CHAOS") == "long":
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="package")
def platform() -> Iterator[Platform]:
    """A whole platform, answering over HTTP, for fault tests alone."""
    folder = Path(tempfile.mkdtemp(prefix="okacrm-chaos-"))
    platform = Platform(folder)
    try:
        platform.start()
        yield platform
    finally:
        platform.stop()
        if os.environ.get("OKACRM_CHAOS_KEEP"):
            print(f"the platform is kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
def load(platform: Platform) -> Load:
    """The people of all fault tests, and everything they were ever told: each test judges all of it."""
    load = Load(platform.base_url, IN_FLIGHT, random.Random(SEED))
    load.admit(PEOPLE)
    return load


@pytest.fixture
def disturbed(platform: Platform, load: Load) -> Disturbed:
    """The same platform, as something to be disturbed and judged."""
    return Disturbed(platform, load)


def pytest_report_header() -> str:
    return f"chaos seed: {SEED} (OKACRM_CHAOS_SEED repeats it)"
