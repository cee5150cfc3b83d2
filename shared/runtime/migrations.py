"""Brings a database to the schema this code needs, as its owner role."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from shared.runtime.database import connect

_ROOT = Path(__file__).parent.parent.parent
_VERSIONS = {"keyring": _ROOT / "shared" / "privacy" / "migrations"}


def migrate(name: str, owner_url: str, roles: dict[str, str]) -> None:
    """Migrates the database of service `name`, or the keyring, to the newest revision.

    `roles` names the login roles that tables are granted to: `service`, and for the keyring also `custodian`. Two
    migrations at once take turns.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(_VERSIONS.get(name, _ROOT / "services" / name / "migrations")))
    engine = connect(owner_url, pool_size=1, statement_timeout_ms=0)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('okacrm.migrations', 0))"))
        config.attributes["connection"] = connection
        config.attributes["roles"] = roles
        command.upgrade(config, "head")
    engine.dispose()
