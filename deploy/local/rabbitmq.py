"""RabbitMQ: the broker that OKACRM_AMQP_URL names, or a private node of the installed `rabbitmq-server`.

The node shares nothing with a broker that may already run on the machine: it has a name, ports, user, cookie, data and
even a port mapper (epmd) of its own, all of them on the loopback address.
"""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import socket
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING
from urllib.parse import quote

from deploy.local.interruption import Interruption
from deploy.local.machine import changing_the_machine
from deploy.local.state import PlatformError, StateDirectory, write_durably
from deploy.local.supervisor import Program

if TYPE_CHECKING:
    import amqp

USER = "okacrm"
VIRTUAL_HOST = "okacrm"
# Package managers put server binaries where a person's PATH does not always lead.
SEARCH_PATH = os.pathsep.join(
    [
        "/usr/lib/rabbitmq/bin",
        *os.environ.get("PATH", os.defpath).split(os.pathsep),
        "/opt/homebrew/sbin",
        "/opt/homebrew/bin",
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/lib/erlang/bin",
    ]
)
# Two sleepy schedulers, not bound to a core, are plenty for one developer and leave the machine idle when nobody works.
EMULATOR_ARGUMENTS = (
    "+S 2:2 +SDcpu 2:2 +SDio 4 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
)
POLICY_FILE = Path("/usr/sbin/policy-rc.d")


class PrivateRabbit:
    """The private node: its configuration, its ports and its port mapper."""

    def __init__(self, state: StateDirectory) -> None:
        self.folder = state.rabbitmq
        self.node = f"okacrm_{state.identity}@localhost"
        self.port = state.port("rabbitmq")
        self.distribution_port = state.port("rabbitmq distribution")
        self.mapper_port = state.port("epmd")
        self.password = state.password("rabbitmq")
        self.cookie = state.secret("erlang.cookie", lambda: secrets.token_hex(20).encode())

    @property
    def url(self) -> str:
        return f"amqp://{USER}:{quote(self.password)}@127.0.0.1:{self.port}/{VIRTUAL_HOST}"

    def prepare(self, interruption: Interruption) -> None:
        ensure_installed(interruption)
        cookie = self.folder / ".erlang.cookie"
        write_durably(cookie, self.cookie)
        cookie.chmod(0o400)
        write_durably(self.folder / "enabled_plugins", b"[].\n")
        write_durably(self.folder / "rabbitmq-env.conf", b"")
        write_durably(
            self.folder / "rabbitmq.conf",
            f"default_user = {USER}\ndefault_pass = {self.password}\ndefault_vhost = {VIRTUAL_HOST}\n"
            "log.file = false\nlog.console = true\nlog.console.level = info\nlog.connection.level = warning\n".encode(),
        )

    def port_mapper(self) -> Program:
        """Started by us in the foreground, since a node that finds none starts one that outlives it."""
        return Program(
            name="epmd",
            command=(_find("epmd"), "-address", "127.0.0.1", "-port", str(self.mapper_port)),
            environment=self._environment(),
            directory=self.folder,
            ready=lambda: _accepts_connections(self.mapper_port),
        )

    def program(self) -> Program:
        return Program(
            name="rabbitmq",
            command=(_find("rabbitmq-server"),),
            environment=self._environment(),
            directory=self.folder,
            ready=lambda: is_ready(self.url),
            stop_within=20.0,
            hurry_signal=Signals.SIGTERM,
            orphan_signal=Signals.SIGTERM,
        )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": SEARCH_PATH,
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.mapper_port),
            # A dump of a crash would hold the messages of the moment.
            "ERL_CRASH_DUMP_SECONDS": "0",
            "RABBITMQ_LOG": "-color",
            # Tells the start script to become the server instead of staying beside it as a shell.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_SCHEDULER_BIND_TYPE": "u",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": EMULATOR_ARGUMENTS,
        }


def is_ready(url: str) -> bool:
    """Whether the broker lets us in."""
    return _ask(url, lambda connection: True)


def has_consumer(url: str, queue: str) -> bool:
    """Whether someone listens on a queue, asked without creating it."""
    return _ask(url, lambda connection: bool(connection.channel().queue_declare(queue, passive=True).consumer_count))


def queue_lengths(url: str, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Of each queue that there is, how many messages wait and how many consumers it has, asked without creating it."""
    found: dict[str, tuple[int, int]] = {}

    def look(connection: amqp.Connection) -> bool:
        for name in names:
            # A queue that is not there closes the channel, so each gets one of its own.
            with suppress(*connection.channel_errors):
                declared = connection.channel().queue_declare(name, passive=True)
                found[name] = (declared.message_count, declared.consumer_count)
        return True

    _ask(url, look)
    return found


def _ask(url: str, question: Callable[[amqp.Connection], bool]) -> bool:
    """The answer of a broker; no answer is a no.

    One attempt on the transport itself: kombu's own `connect` tries again after two seconds, which a caller that asks
    repeatedly would spend waiting.
    """
    from kombu import Connection

    broker = Connection(url, connect_timeout=2)
    try:
        with closing(broker.transport.establish_connection()) as connection:
            return question(connection)
    except (OSError, *broker.connection_errors, *broker.channel_errors):
        return False


def installation(system: str, user_id: int, find: Callable[[str], str | None]) -> tuple[tuple[str, ...], ...] | None:
    """The commands that would install RabbitMQ on such a machine, or None where that is not ours to do."""
    if system == "Linux" and user_id == 0 and find("apt-get"):
        return (
            ("apt-get", "update"),
            ("apt-get", "install", "-y", "--no-install-recommends", "rabbitmq-server"),
        )
    if system == "Darwin" and user_id != 0 and find("brew"):
        return (("brew", "install", "rabbitmq"),)
    return None


def ensure_installed(interruption: Interruption) -> None:
    """Install the distribution's RabbitMQ where there is none and the machine allows it."""
    if _locate("rabbitmq-server"):
        return
    commands = installation(platform.system(), os.geteuid(), shutil.which)
    if commands is None:
        raise PlatformError(
            "RabbitMQ is not installed. Install it (Debian and Ubuntu: apt-get install rabbitmq-server; "
            "macOS: brew install rabbitmq), or set OKACRM_AMQP_URL to a broker you have, such as "
            "amqp://user:password@host:5672/vhost"
        )
    with changing_the_machine(interruption):
        # Another platform may have installed it while we waited.
        if not _locate("rabbitmq-server"):
            _install(commands, interruption)


def _install(commands: tuple[tuple[str, ...], ...], interruption: Interruption) -> None:
    print(f"RabbitMQ is not installed; running: {' && '.join(' '.join(command) for command in commands)}", flush=True)
    # The package would start, at once and at every boot, a broker that nobody asked for.
    keep_quiet = commands[0][0] == "apt-get" and not POLICY_FILE.exists()
    if keep_quiet:
        POLICY_FILE.write_text("#!/bin/sh\nexit 101\n")
        POLICY_FILE.chmod(0o755)
    try:
        for command in commands:
            _run(command, interruption)
    finally:
        if keep_quiet:
            POLICY_FILE.unlink()
    if Path("/run/systemd/system").exists():
        _run(("systemctl", "disable", "rabbitmq-server"), interruption)


def _run(command: tuple[str, ...], interruption: Interruption) -> None:
    interruption.run(command, env=dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive"})


def _locate(program: str) -> str | None:
    return shutil.which(program, path=SEARCH_PATH)


def _find(program: str) -> str:
    path = _locate(program)
    if path is None:
        raise PlatformError(f"RabbitMQ is installed but its program `{program}` is not found in {SEARCH_PATH}")
    return path


def _accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
