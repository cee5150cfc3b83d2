"""One platform on one machine: its parts (PostgreSQL, RabbitMQ, a mail catcher) and processes, under one supervisor.

`okacrm up` and the test-suite use the same class, so that what is tested is what a developer runs. Other shells find a
running platform through the description it leaves in its state directory.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import Self

import psutil

from deploy.local import mailcatcher, postgres, rabbitmq
from deploy.local.state import PlatformError, StateDirectory, is_free, write_durably
from deploy.local.supervisor import Program, Supervisor, recorded_process
from shared.contracts.services import SERVICE_NAMES, service_called
from shared.runtime.config import ConfigurationError, Settings

PROCESSES = (
    "gateway",
    *(f"service {name}" for name in SERVICE_NAMES),
    *(f"courier {name}" for name in SERVICE_NAMES),
)
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Description:
    """What another shell must know to speak to a running platform. It holds the broker's password, hence is private."""

    pid: int
    started: float
    http_port: int
    metrics_address: str
    amqp_url: str
    smtp_url: str
    mail_page: str | None
    """Where the caught mails are read; None if a mail server was given."""
    postgres: postgres.Server
    database_prefix: str
    log_origin: str

    def save(self, path: Path) -> None:
        write_durably(path, json.dumps(asdict(self), indent=2).encode())

    @classmethod
    def load(cls, path: Path) -> Description:
        content = json.loads(path.read_text())
        return cls(**content | {"postgres": postgres.Server(**content["postgres"])})


class Platform:
    """Starts, describes, disturbs and stops everything that one checkout runs."""

    def __init__(
        self, state_dir: Path | str, http_port: int | None = None, *, database_prefix: str | None = None
    ) -> None:
        """Without a port, a free one is chosen once and kept. The prefix matters only on a shared database server."""
        self.state = StateDirectory(Path(state_dir))
        self.supervisor = Supervisor(self.state.logs, self.state.processes)
        self._wanted_http_port = http_port
        self._database_prefix = database_prefix or Settings.from_environment().database_prefix
        self._description: Description | None = None

    @classmethod
    def running(cls, state_dir: Path | str) -> Platform:
        """The platform that another process runs on this state directory, to be asked but not to be steered."""
        platform = cls(state_dir)
        path = platform.state.description
        if recorded_process(path) is None:
            raise PlatformError(f"no platform runs on {platform.state.root}; `okacrm up` (or `make run`) starts one")
        platform._description = Description.load(path)
        return platform

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def description(self) -> Description:
        if self._description is None:
            raise PlatformError("the platform has not been started")
        return self._description

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.description.http_port}"

    @property
    def metrics_url(self) -> str:
        return f"http://{self.description.metrics_address}/metrics"

    @property
    def databases(self) -> dict[str, postgres.Database]:
        return postgres.databases(self.description.database_prefix, SERVICE_NAMES)

    def start(self, announce: Callable[[str], None] = lambda message: None) -> None:
        """Everything, from nothing or from what an earlier run left."""
        announce("Starting PostgreSQL and RabbitMQ")
        self.start_servers()
        announce("Bringing the database schemas up to date")
        self.migrate()
        if destroyed := self.replay_destructions():
            announce(f"Destroyed {destroyed} keys again: the keyring had been restored from an older copy")
        announce("Starting the gateway, the services and their couriers")
        self.start_processes()

    def start_parts(self) -> None:
        """The servers with migrated databases, and no process of ours."""
        self.start_servers()
        self.migrate()

    def start_servers(self) -> None:
        """PostgreSQL with its roles and databases, RabbitMQ, and the secrets of all processes."""
        self.state.prepare()
        self.state.acquire()
        self.supervisor.clear_leftovers()
        http_port = self._wanted_http_port or self.state.port("http")
        if not is_free(http_port):
            raise ConfigurationError(
                f"port {http_port} is taken by another program: set OKACRM_HTTP_PORT to a free one"
            )
        self._make_keys()

        mapper: list[Program] = []
        servers: list[Program] = []
        admin_url = os.environ.get("OKACRM_POSTGRES_URL")
        if not admin_url:
            database_server = postgres.EmbeddedPostgres(self.state)
            database_server.prepare(self.supervisor.interruption)
            admin_url = database_server.admin_url
            servers.append(database_server.program())
        elif (obstacle := postgres.obstacle(admin_url)) is not None:
            raise ConfigurationError(f"OKACRM_POSTGRES_URL names a server that cannot be used: {obstacle}")
        amqp_url = os.environ.get("OKACRM_AMQP_URL")
        if not amqp_url:
            broker = rabbitmq.PrivateRabbit(self.state)
            broker.prepare(self.supervisor.interruption)
            amqp_url = broker.url
            mapper.append(broker.port_mapper())
            servers.append(broker.program())
        elif not rabbitmq.is_ready(amqp_url):
            raise ConfigurationError("OKACRM_AMQP_URL names a broker that does not answer, or does not let us in")
        smtp_url, mail_page = os.environ.get("OKACRM_SMTP_URL"), None
        if not smtp_url:
            smtp_port, page_port = self.state.port("smtp"), self.state.port("mail page")
            smtp_url = f"smtp://{mailcatcher.HOST}:{smtp_port}"
            mail_page = f"http://{mailcatcher.HOST}:{page_port}"
            servers.append(self._mailcatcher(smtp_port, page_port, mail_page))
        self.supervisor.start(*mapper)
        self.supervisor.start(*servers)

        self._description = Description(
            pid=os.getpid(),
            started=psutil.Process().create_time(),
            http_port=http_port,
            metrics_address=os.environ.get("OKACRM_METRICS_ADDRESS") or f"127.0.0.1:{self.state.port('metrics')}",
            amqp_url=amqp_url,
            smtp_url=smtp_url,
            mail_page=mail_page,
            postgres=postgres.Server.of(admin_url),
            database_prefix=self._database_prefix,
            log_origin=f"okacrm.net/audit/{self.state.identity}",
        )
        postgres.provision(admin_url, self.databases, self.state.password, self.supervisor.interruption)
        self._description.save(self.state.description)

    def migrate(self) -> None:
        """Bring every schema up to date, under the role that owns it."""
        from shared.runtime.migrations import migrate

        for name, database in self.databases.items():
            self.supervisor.interruption.check()
            migrate(name, self.database_url(database.name, database.owner), database.roles)

    def replay_destructions(self) -> int:
        """Destroy again what the keyring should not hold any more, before anybody can read with it."""
        from deploy.destructions import replay_destructions

        return replay_destructions(Settings(self.environment("operator")))

    def start_processes(self) -> None:
        """The gateway, the services and their couriers; returns when requests are answered."""
        self.supervisor.start(*(self._program(name) for name in PROCESSES))

    def stop(self) -> None:
        """Stop whatever runs, and give the state directory free."""
        self.supervisor.stop()
        if self._description is not None:
            self.state.description.unlink(missing_ok=True)
            self._description = None
        self.state.release()

    def kill(self, name: str, number: Signals = Signals.SIGKILL) -> None:
        """Do to a process what a fault does. What ends by it is started again by itself."""
        self.supervisor.kill(name, number)

    def restart(self, name: str) -> None:
        """Stop a process or a server properly and start it again."""
        self.supervisor.restart(name)

    def pids(self) -> dict[str, int]:
        """Process ids by name: those we started, or as another shell sees them."""
        own = self.supervisor.pids()
        if own:
            return own
        return {
            json.loads(path.read_text())["name"]: process.pid
            for path in sorted(self.state.processes.glob("*.json"))
            if (process := recorded_process(path)) is not None
        }

    def readiness(self) -> dict[str, bool]:
        """Whether each server and process answers, asked from outside as any other shell would."""
        answers = {
            "postgres": postgres.is_ready(self.database_url(self.databases["identity"].name)),
            "rabbitmq": rabbitmq.is_ready(self.description.amqp_url),
        }
        if self.description.mail_page:
            answers["mailcatcher"] = mailcatcher.is_ready(self.description.mail_page)
        alive = self.pids()
        return answers | {name: name in alive and self._is_ready(name) for name in PROCESSES}

    def database_url(self, database: str, role: str | None = None) -> str:
        """A connection URL for a role; the restricted role of a service bears the name of its database."""
        role = role or database
        return self.description.postgres.url(role, self.state.password(role), database)

    def environment(self, process: str) -> dict[str, str]:
        """The variables of one process: what it needs and nothing else.

        `process` is one of `PROCESSES`, or `operator` for the command line of whoever runs the platform.
        """
        state, description = self.state, self.description
        kind, _, service = process.partition(" ")
        if process not in (*PROCESSES, "operator"):
            raise PlatformError(f"no process is called {process!r}")
        variables = {"OKACRM_MODE": "local", "OKACRM_AMQP_URL": description.amqp_url}
        if kind in ("gateway", "operator"):
            variables["OKACRM_HTTP_PORT"] = str(description.http_port)
            variables["OKACRM_SIGNING_KEY_FILE"] = str(state.secrets / f"{kind}.pem")
        if kind == "gateway":
            variables["OKACRM_METRICS_ADDRESS"] = description.metrics_address
            variables["OKACRM_CURSOR_KEY_FILE"] = str(state.secrets / "cursor.key")
            facing = {
                "OKACRM_PUBLIC_URL": self.base_url,
                "OKACRM_CORS_ORIGINS": "",
                # A proxy that a developer puts before the gateway runs on this machine.
                "OKACRM_TRUSTED_PROXIES": "127.0.0.0/8,::1",
                # Everybody is one network here, and what is measured is not the quota.
                "OKACRM_REQUESTS_PER_SESSION": "600000",
                "OKACRM_REQUESTS_PER_NETWORK": "600000",
            }
            variables |= {name: os.environ.get(name, default) for name, default in facing.items()}
        if kind == "operator":
            keyring = self.databases["keyring"]
            identity = self.databases["identity"]
            variables["OKACRM_KEYRING_CUSTODIAN_URL"] = self.database_url(keyring.name, keyring.roles["custodian"])
            variables["OKACRM_AUDIT_DATABASE_URL"] = self.database_url(self.databases["audit"].name)
            variables["OKACRM_ERASURES_URL"] = self.database_url(identity.name, identity.roles["custodian"])
        if service:
            variables["OKACRM_DATABASE_URL"] = self.database_url(self.databases[service].name)
            variables["OKACRM_SERVICE_SECRET_FILE"] = str(state.secrets / f"{service}.secret")
        if kind == "service":
            variables["OKACRM_TRUSTED_KEYS_DIR"] = str(state.trusted_keys)
        if kind == "courier":
            variables["OKACRM_SIGNING_KEY_FILE"] = str(state.secrets / f"{service}.pem")
        if service and service_called(service).seals:
            variables |= {
                "OKACRM_KEYRING_URL": self.database_url(self.databases["keyring"].name),
                "OKACRM_MASTER_KEY_FILE": str(state.secrets / "master.key"),
            }
        if process == "courier identity":
            variables |= {
                "OKACRM_SMTP_URL": description.smtp_url,
                "OKACRM_MAIL_FROM": os.environ.get("OKACRM_MAIL_FROM", "Okacrm <no-reply@okacrm.example>"),
                "OKACRM_PUBLIC_URL": os.environ.get("OKACRM_PUBLIC_URL", self.base_url),
            }
        if service == "audit" or kind == "operator":
            variables["OKACRM_LOG_ORIGIN"] = description.log_origin
            variables["OKACRM_LOG_PUBLIC_KEY_FILE"] = str(state.log_public_key)
        if process == "courier audit":
            variables["OKACRM_LOG_KEY_FILE"] = str(state.secrets / "log.pem")
            pages = Settings.compared_pages_per_minute
            variables[pages.name] = os.environ.get(pages.name, str(pages.default))
        if process == "courier audit" or kind == "operator":
            variables["OKACRM_LOG_DIR"] = str(state.audit_log)
        return variables

    def _program(self, name: str) -> Program:
        return Program(
            name=name,
            command=(sys.executable, "-m", "deploy.cli", *name.split()),
            environment=_surroundings() | self.environment(name),
            directory=CHECKOUT,
            ready=lambda: self._is_ready(name),
        )

    def _mailcatcher(self, smtp_port: int, page_port: int, page: str) -> Program:
        options = ("--smtp-port", str(smtp_port), "--http-port", str(page_port))
        return Program(
            name="mailcatcher",
            command=(sys.executable, "-m", "deploy.cli", "mailcatcher", *options, str(self.state.mail)),
            environment=_surroundings(),
            directory=CHECKOUT,
            ready=lambda: mailcatcher.is_ready(page),
        )

    def _is_ready(self, name: str) -> bool:
        """A gateway is ready when it says so, a service when it takes calls; a courier catches up in its own time."""
        kind, _, service = name.partition(" ")
        if kind == "gateway":
            with suppress(OSError), urllib.request.urlopen(f"{self.base_url}/readyz", timeout=2) as answer:  # noqa: S310
                return bool(answer.status == 200)
            return False
        if kind == "service":
            return rabbitmq.has_consumer(self.description.amqp_url, f"rpc-{service}")
        return True

    def _make_keys(self) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            NoEncryption,
            PrivateFormat,
            PublicFormat,
            load_pem_private_key,
        )

        def private_key() -> bytes:
            return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

        def public_key(private: bytes) -> bytes:
            key = load_pem_private_key(private, password=None).public_key()
            return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

        for name in ("master.key", "cursor.key", *(f"{service}.secret" for service in SERVICE_NAMES)):
            self.state.secret(name, lambda: os.urandom(32))
        for principal in ("gateway", "operator", *SERVICE_NAMES):
            private = self.state.secret(f"{principal}.pem", private_key)
            write_durably(self.state.trusted_keys / f"{principal}.pem", public_key(private))
        first_log_key = self.state.secret("log.pem", private_key)
        if not self.state.log_public_key.exists():
            write_durably(self.state.log_public_key, public_key(first_log_key))


def _surroundings() -> dict[str, str]:
    """What every process of this checkout finds in its environment, beside its settings."""
    inherited = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
    return inherited | {"LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(CHECKOUT)}
