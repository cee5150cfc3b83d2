"""What a process is told by its environment.

Every process reads the same few variables and nothing else, so that the local supervisor, a container platform and a
test start it in the same way. Secrets are named by file, so that they never appear in a process listing.
"""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit


class ConfigurationError(Exception):
    """A process cannot start with the environment it was given; the message says which variable and what it needs."""


@dataclass(frozen=True)
class Settings:
    """The environment of one process, typed.

    A process is given only what it needs: the gateway has no database, a service has no checkpoint key. Asking for
    something that was not given raises `ConfigurationError`.
    """

    environment: Mapping[str, str]

    @classmethod
    def from_environment(cls) -> Settings:
        return cls(dict(os.environ))

    def _required(self, name: str) -> str:
        value = self.environment.get(name, "")
        if not value:
            raise ConfigurationError(f"{name} is not set; `okacrm up` sets it for local processes")
        return value

    def _bytes_from_file(self, name: str) -> bytes:
        path = Path(self._required(name))
        try:
            return path.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{name} names a file that cannot be read: {error.strerror}") from None

    @property
    def amqp_url(self) -> str:
        """RabbitMQ, as `amqp://user:password@host:port/vhost`."""
        return self._required("OKACRM_AMQP_URL")

    @property
    def database_url(self) -> str:
        """The database of this service under its own restricted role, as `postgresql://…`."""
        return self._required("OKACRM_DATABASE_URL")

    @property
    def keyring_url(self) -> str:
        """The keyring database under the role that may read and provision keys but not destroy them."""
        return self._required("OKACRM_KEYRING_URL")

    @property
    def master_key(self) -> bytes:
        """The 32-byte key that wraps every key of the keyring: a file of raw bytes, or base64 in OKACRM_MASTER_KEY."""
        return self._secret("OKACRM_MASTER_KEY")

    @property
    def service_secret(self) -> bytes:
        """32 bytes of this service's own, from which its blind-index and fingerprint keys are derived."""
        return self._secret("OKACRM_SERVICE_SECRET")

    def _secret(self, name: str) -> bytes:
        inline = self.environment.get(name)
        try:
            secret = b64decode(inline, validate=True) if inline else self._bytes_from_file(f"{name}_FILE")
        except ValueError:
            raise ConfigurationError(f"{name} is not base64") from None
        if len(secret) != 32:
            raise ConfigurationError(f"{name} must be 32 bytes")
        return secret

    @property
    def signing_key(self) -> bytes:
        """PEM of the Ed25519 private key with which this process signs the actor of its calls."""
        return self._bytes_from_file("OKACRM_SIGNING_KEY_FILE")

    @property
    def trusted_keys(self) -> Path:
        """Folder of public keys (`gateway.pem`, `audit.pem`, …), one per principal that may sign calls."""
        return Path(self._required("OKACRM_TRUSTED_KEYS_DIR"))

    @property
    def log_key(self) -> bytes:
        """PEM of the Ed25519 private key that signs checkpoints of the audit log, read anew each time.

        While one key takes over from another there are two, one after the other.
        """
        return self._bytes_from_file("OKACRM_LOG_KEY_FILE")

    @property
    def log_key_file(self) -> Path:
        """The file of `log_key`, for whoever replaces it."""
        return Path(self._required("OKACRM_LOG_KEY_FILE"))

    @property
    def log_public_key(self) -> bytes:
        """PEM of the public key that the log began with; later ones stand in the log."""
        return self._bytes_from_file("OKACRM_LOG_PUBLIC_KEY_FILE")

    @property
    def keyring_custodian_url(self) -> str:
        """The keyring database under the role that destroys keys; given to operators only."""
        return self._required("OKACRM_KEYRING_CUSTODIAN_URL")

    @property
    def erasures_url(self) -> str:
        """Identity's database under the role that may read whose data was erased; given to operators only."""
        return self._required("OKACRM_ERASURES_URL")

    @property
    def log_origin(self) -> str:
        """Identity of the audit log in its checkpoints (C2SP tlog-checkpoint origin)."""
        return self._required("OKACRM_LOG_ORIGIN")

    @property
    def log_directory(self) -> Path:
        """Where the signer's guard and the archive of ordered leaves live, outside the database."""
        return Path(self._required("OKACRM_LOG_DIR"))

    @property
    def smtp_url(self) -> str:
        """The mail server: `smtp://`, or `smtp+starttls://` or `smtps://` with `user:password@` if it wants them."""
        return self._required("OKACRM_SMTP_URL")

    @property
    def mail_from(self) -> str:
        """Whom mails are from, as `Okacrm <no-reply@okacrm.example>`."""
        return self._required("OKACRM_MAIL_FROM")

    @property
    def http_port(self) -> int:
        return int(self.environment.get("OKACRM_HTTP_PORT", "8000"))

    @property
    def public_url(self) -> str:
        """Where people reach the platform, as `https://host`: a setting, so that no header of a request decides it.

        The gateway answers to this host alone, and links in mails begin with it.
        """
        url = self.environment.get("OKACRM_PUBLIC_URL", "") if self.local else self._required("OKACRM_PUBLIC_URL")
        if not url:
            return f"http://127.0.0.1:{self.http_port}"
        if _origin_of(url) != url.rstrip("/").lower() or not (self.local or url.startswith("https://")):
            raise ConfigurationError("OKACRM_PUBLIC_URL must be https://host or https://host:port")
        return url.rstrip("/")

    @property
    def cors_origins(self) -> tuple[str, ...]:
        """Origins whose pages may use the API in a person's session, as `https://host` and separated by commas."""
        origins = self._listed("OKACRM_CORS_ORIGINS")
        if any(_origin_of(origin) != origin for origin in origins):
            raise ConfigurationError("OKACRM_CORS_ORIGINS must be origins such as https://host, separated by commas")
        return origins

    @property
    def trusted_proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Networks of the proxies whose `X-Forwarded-*` headers are believed, separated by commas."""
        try:
            return tuple(ip_network(network) for network in self._listed("OKACRM_TRUSTED_PROXIES"))
        except ValueError:
            raise ConfigurationError("OKACRM_TRUSTED_PROXIES must be networks such as 10.0.0.0/8") from None

    @property
    def requests_per_session(self) -> int:
        """Requests a minute that one gateway process answers in one session."""
        return self._positive("OKACRM_REQUESTS_PER_SESSION", 1200)

    @property
    def requests_per_network(self) -> int:
        """Requests a minute that one gateway process answers to one network without a session."""
        return self._positive("OKACRM_REQUESTS_PER_NETWORK", 1200)

    @property
    def compared_pages_per_minute(self) -> int:
        """Pages of at most 500 entries that are compared with the log in a minute, in the background."""
        return self._positive("OKACRM_COMPARED_PAGES_PER_MINUTE", 12)

    @property
    def audit_database_url(self) -> str | None:
        """Audit's database under its service's role, for operators who compare other stores with the log."""
        return self.environment.get("OKACRM_AUDIT_DATABASE_URL") or None

    def _listed(self, name: str) -> tuple[str, ...]:
        return tuple(item.strip() for item in self.environment.get(name, "").split(",") if item.strip())

    def _positive(self, name: str, default: int) -> int:
        value = self.environment.get(name, str(default))
        if not value.isdecimal() or int(value) == 0:
            raise ConfigurationError(f"{name} must be a number above 0")
        return int(value)

    @property
    def local(self) -> bool:
        """True on a developer's machine, where HTTP is plain and cookies cannot be marked Secure."""
        return self.environment.get("OKACRM_MODE", "production") == "local"


def _origin_of(url: str) -> str | None:
    """The origin that a URL belongs to, in the spelling in which browsers send it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    default = {"http": 80, "https": 443}.get(parts.scheme)
    if default is None or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, default) else "")
