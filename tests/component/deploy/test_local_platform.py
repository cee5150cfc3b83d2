"""The servers of a platform, from nothing, through a fault and a restart, to nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from deploy.local.platform import Platform
from deploy.local.state import PlatformError


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """Not under pytest's own folder, which other users, such as the database server's, may not pass through."""
    folder = Path(tempfile.mkdtemp(prefix="okacrm-"))
    yield folder
    shutil.rmtree(folder)


def family(platform: Platform) -> list[psutil.Process]:
    leaders = [psutil.Process(pid) for pid in platform.pids().values()]
    return leaders + [child for leader in leaders for child in leader.children(recursive=True)]


def test_the_servers_of_a_platform(state_dir: Path) -> None:
    with Platform(state_dir) as platform:
        platform.start_servers()
        first_url = platform.database_url("okacrm_identity")
        began = family(platform)
        assert set(platform.pids()) == {"epmd", "postgres", "rabbitmq", "mailcatcher"}
        assert {name for name, ready in platform.readiness().items() if ready} == {
            "postgres",
            "rabbitmq",
            "mailcatcher",
        }

        # Every role enters its own database and no other.
        for database in platform.databases.values():
            for role in database.all_roles:
                for other in platform.databases.values():
                    url = platform.database_url(other.name, role)
                    if other == database:
                        psycopg.connect(url).close()
                    else:
                        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                            psycopg.connect(url)

        # The platform is claimed, and other shells find it.
        with pytest.raises(PlatformError, match="already runs"):
            Platform(state_dir).start_servers()
        assert Platform.running(state_dir).pids() == platform.pids()

        owner = platform.databases["identity"].owner
        with psycopg.connect(platform.database_url("okacrm_identity", owner)) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 'before' AS moment")

        # A killed server comes back with what was committed.
        killed = platform.pids()["postgres"]
        platform.kill("postgres")
        platform.supervisor.await_ready("postgres")
        assert platform.pids()["postgres"] != killed
        began += family(platform)

    assert psutil.wait_procs(began, timeout=5)[1] == []
    assert not (state_dir / "platform.json").exists()

    with Platform(state_dir) as platform:
        platform.start_servers()
        assert platform.database_url("okacrm_identity") == first_url
        with psycopg.connect(platform.database_url("okacrm_identity", owner)) as connection:
            assert connection.execute("SELECT moment FROM kept").fetchone() == ("before",)

    log = (state_dir / "logs" / "postgres.log").read_text()
    assert "permission denied" in log
    assert "STATEMENT" not in log
