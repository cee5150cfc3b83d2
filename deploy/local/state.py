"""The state directory: all that one local platform keeps between two runs.

Two platforms are two state directories. Everything a platform owns (data, secrets, ports, logs, the identity of its
audit log) lies in its own, so they never meet, and removing the directory removes the platform.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import random
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from shared.runtime.config import ConfigurationError

PORTS = range(20000, 30000)
"""Below what operating systems hand out for outgoing connections. A client that keeps calling a port of that range
while its server restarts may connect to itself, and the server then finds its port taken."""


class PlatformError(Exception):
    """The local platform cannot do what was asked; the message says why and what to do about it."""


class StateDirectory:
    """Paths, secrets and ports of one platform. Whatever is generated is generated once."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self.secrets = self.root / "secrets"
        self.trusted_keys = self.root / "trusted"
        self.logs = self.root / "logs"
        self.processes = self.root / "run"
        self.audit_log = self.root / "audit-log"
        self.postgres = self.root / "postgres"
        self.rabbitmq = self.root / "rabbitmq"
        self.mail = self.root / "mail"
        self.log_public_key = self.root / "log-public.pem"
        self.description = self.root / "platform.json"
        self._lock: int | None = None

    def prepare(self) -> None:
        """Make the folders, readable by their owner alone.

        As root the server of PostgreSQL runs under another user, who must be able to pass through to its own folder.
        Raises `ConfigurationError` where that is not possible.
        """
        try:
            self._make_folders()
        except OSError as error:
            raise ConfigurationError(
                f"the state directory {self.root} cannot be written: {error.filename}: {error.strerror}; set "
                "OKACRM_STATE_DIR to a folder in which you may write"
            ) from None

    def _make_folders(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for folder in (
            self.secrets,
            self.trusted_keys,
            self.logs,
            self.processes,
            self.audit_log,
            self.rabbitmq,
            self.mail,
        ):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)

    def acquire(self) -> None:
        """Claim the directory for this process; the claim ends with it, however it ends."""
        path = self.root / "lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise PlatformError(
                f"a platform already runs on {self.root} (process {path.read_text().strip() or 'unknown'}): stop it "
                f"first, or set OKACRM_STATE_DIR and OKACRM_HTTP_PORT for a second one beside it"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._lock = descriptor

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def identity(self) -> str:
        """Eight hexadecimal digits that tell this platform from every other one."""
        return self.secret("identity", lambda: secrets.token_hex(4).encode()).decode()

    def secret(self, name: str, generate: Callable[[], bytes]) -> bytes:
        """The secret of this name, made by `generate` the first time it is asked for."""
        path = self.secrets / name
        with suppress(FileNotFoundError):
            return path.read_bytes()
        write_durably(path, generate())
        return path.read_bytes()

    def password(self, name: str) -> str:
        """A password that needs no quoting in a URL or a configuration file."""
        return self.secret(f"{name}.password", lambda: secrets.token_hex(24).encode()).decode()

    def port(self, name: str) -> int:
        """The port kept under this name, chosen anew only when someone else has taken it."""
        path = self.root / "ports.json"
        kept: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        port = kept.get(name)
        if port is None or not is_free(port):
            port = next(
                port
                for port in iter(lambda: random.choice(PORTS), None)  # noqa: S311
                if port not in kept.values() and is_free(port)
            )
            write_durably(path, json.dumps(kept | {name: port}).encode())
        return port


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file as a whole, for its owner's eyes only, so that a crash leaves the old content or the new."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
