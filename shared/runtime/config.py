"""What a process is told by its environment: every setting that there is, declared once.

Every process reads the same few variables and nothing else, so that the local supervisor, a container platform and a
test start it in the same way. Secrets are named by file, so that they never appear in a process listing. From the
declarations come the checks at the start of every command and process, and docs/settings.md.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Generic, Self, TypeVar, overload

from shared.runtime import forms

PREFIX = "OKACRM_"
UP, OPERATOR, GATEWAY, SERVICES, COURIERS = "okacrm up", "operator", "gateway", "service", "courier"
IDENTITY, AUDIT = ("service identity", "courier identity"), ("service audit", "courier audit")
EVERY_PROCESS = (GATEWAY, SERVICES, COURIERS)
SIMILAR = 0.8
"""How alike two names are of which one is taken for a mistake for the other."""

T = TypeVar("T")


class ConfigurationError(Exception):
    """A process cannot start with the environment it was given; the message says which variable and what it needs."""


class Setting(Generic[T]):
    """A variable of the environment: its name, the form of its value, who reads it, and what it means.

    An empty variable counts as one that is not set. Without a default, asking for what is not set raises
    `ConfigurationError`.
    """

    def __init__(
        self,
        name: str,
        form: Callable[[str], T],
        meaning: str,
        *,
        read_by: tuple[str, ...],
        default: str | None = None,
        optional: bool = False,
        confidential: bool = False,
    ) -> None:
        """An `optional` setting has something else in its place. A `confidential` value is repeated in no message."""
        self.name = PREFIX + name
        self.form = form
        self.meaning = meaning
        self.read_by = read_by
        self.default = default
        self.optional = optional
        self.confidential = confidential

    @overload
    def __get__(self, settings: None, owner: type) -> Self: ...
    @overload
    def __get__(self, settings: Settings, owner: type) -> T: ...
    def __get__(self, settings: Settings | None, owner: type) -> Self | T:
        return self if settings is None else self.value_in(settings.environment)

    def value_in(self, environment: Mapping[str, str]) -> T:
        """The value, read. Raises `ConfigurationError` if it is not set or does not have its form."""
        value = environment.get(self.name, "")
        stated = value or self.default
        if stated is None:
            raise ConfigurationError(f"{self.name} is not set; `okacrm up` sets it for local processes")
        try:
            return self.form(stated)
        except ValueError as error:
            shown = "" if self.confidential or not value else f" is {value!r}, and"
            raise ConfigurationError(f"{self.name}{shown} {error}") from None

    def is_read_by(self, process: str) -> bool:
        """Whether a process, such as `courier audit`, reads this setting."""
        return process in self.read_by or process.partition(" ")[0] in self.read_by


@dataclass(frozen=True)
class Settings:
    """The environment of one process, typed.

    A process is given only what it needs: the gateway has no database, a service has no checkpoint key. Asking for
    something that was not given raises `ConfigurationError`.
    """

    environment: Mapping[str, str]

    state_directory = Setting(
        "STATE_DIR",
        forms.folder,
        "Where the local platform keeps all it has.",
        read_by=(UP, OPERATOR),
        default=".local",
    )
    http_port = Setting(
        "HTTP_PORT",
        forms.port,
        "Where the gateway listens.",
        read_by=(UP, OPERATOR, GATEWAY),
        default="8000",
    )
    metrics_address = Setting(
        "METRICS_ADDRESS",
        forms.address,
        "Where the gateway tells its metrics, as `host:port`: on this machine alone unless it is said otherwise.",
        read_by=(UP, GATEWAY),
        default="127.0.0.1:9464",
    )
    postgres_url = Setting(
        "POSTGRES_URL",
        forms.database_url,
        "A PostgreSQL server under a role that may create databases and roles; without it `okacrm up` runs one.",
        read_by=(UP,),
        optional=True,
        confidential=True,
    )
    database_prefix = Setting(
        "DATABASE_PREFIX",
        forms.name,
        "How the names of databases and roles begin: two platforms on one server differ in it.",
        read_by=(UP,),
        default="okacrm",
    )
    mode = Setting(
        "MODE",
        forms.one_of("production", "local"),
        "`local` on a developer's machine, where HTTP is plain and cookies cannot be marked Secure.",
        read_by=(OPERATOR, *EVERY_PROCESS),
        default="production",
    )
    amqp_url = Setting(
        "AMQP_URL",
        forms.broker_url,
        "RabbitMQ, as `amqp://user:password@host:port/vhost`; without it `okacrm up` runs one.",
        read_by=(UP, OPERATOR, *EVERY_PROCESS),
        confidential=True,
    )
    database_url = Setting(
        "DATABASE_URL",
        forms.database_url,
        "The database of this service under its own restricted role, as `postgresql://…`.",
        read_by=(SERVICES, COURIERS),
        confidential=True,
    )
    keyring_url = Setting(
        "KEYRING_URL",
        forms.database_url,
        "The keyring database under the role that may read and provision keys but not destroy them.",
        read_by=IDENTITY,
        confidential=True,
    )
    keyring_custodian_url = Setting(
        "KEYRING_CUSTODIAN_URL",
        forms.database_url,
        "The keyring database under the role that destroys keys; given to operators only.",
        read_by=(OPERATOR,),
        confidential=True,
    )
    erasures_url = Setting(
        "ERASURES_URL",
        forms.database_url,
        "Identity's database under the role that may read whose data was erased; given to operators only.",
        read_by=(OPERATOR,),
        confidential=True,
    )
    master_key_file = Setting(
        "MASTER_KEY_FILE",
        forms.secret_file,
        "A file of the 32 bytes that wrap every key of the keyring.",
        read_by=IDENTITY,
    )
    master_key_inline = Setting(
        "MASTER_KEY",
        forms.secret,
        "The same as base64, for places without files.",
        read_by=IDENTITY,
        optional=True,
        confidential=True,
    )
    service_secret_file = Setting(
        "SERVICE_SECRET_FILE",
        forms.secret_file,
        "A file of 32 bytes of this service's own, from which its blind-index and fingerprint keys are derived.",
        read_by=(SERVICES, COURIERS),
    )
    service_secret_inline = Setting(
        "SERVICE_SECRET",
        forms.secret,
        "The same as base64, for places without files.",
        read_by=(SERVICES, COURIERS),
        optional=True,
        confidential=True,
    )
    cursor_key_file = Setting(
        "CURSOR_KEY_FILE",
        forms.secret_file,
        "A file of 32 bytes with which gateways seal the cursors of lists; the same for all of them.",
        read_by=(GATEWAY,),
    )
    cursor_key_inline = Setting(
        "CURSOR_KEY",
        forms.secret,
        "The same as base64, for places without files.",
        read_by=(GATEWAY,),
        optional=True,
        confidential=True,
    )
    signing_key_file = Setting(
        "SIGNING_KEY_FILE",
        forms.readable_file,
        "PEM of the Ed25519 private key with which this process signs the actor of its calls.",
        read_by=(OPERATOR, GATEWAY, COURIERS),
    )
    trusted_keys = Setting(
        "TRUSTED_KEYS_DIR",
        forms.folder,
        "Folder of public keys (`gateway.pem`, `audit.pem`, …), one per principal that may sign calls.",
        read_by=(SERVICES,),
    )
    log_key_file = Setting(
        "LOG_KEY_FILE",
        forms.readable_file,
        "PEM of the Ed25519 private key that signs checkpoints of the audit log.",
        read_by=("courier audit",),
    )
    log_public_key_file = Setting(
        "LOG_PUBLIC_KEY_FILE",
        forms.readable_file,
        "PEM of the public key that the log began with; later ones stand in the log.",
        read_by=(OPERATOR, *AUDIT),
    )
    log_origin = Setting(
        "LOG_ORIGIN",
        forms.word,
        "Identity of the audit log in its checkpoints (C2SP tlog-checkpoint origin).",
        read_by=(OPERATOR, *AUDIT),
    )
    log_directory = Setting(
        "LOG_DIR",
        forms.folder,
        "Where the signer's guard and the archive of ordered leaves live, outside the database.",
        read_by=(OPERATOR, "courier audit"),
    )
    smtp_url = Setting(
        "SMTP_URL",
        forms.mail_url,
        "The mail server: `smtp://`, or `smtp+starttls://` or `smtps://` with `user:password@` if it wants them; "
        "without it `okacrm up` catches all mails.",
        read_by=(UP, "courier identity"),
        confidential=True,
    )
    mail_from = Setting(
        "MAIL_FROM",
        forms.mailbox,
        "Whom mails are from, as `Okacrm <no-reply@okacrm.example>`.",
        read_by=(UP, "courier identity"),
    )
    stated_public_url = Setting(
        "PUBLIC_URL",
        forms.origin,
        "Where people reach the platform, as `https://host`; may be missing in local mode, where it is the gateway.",
        read_by=(UP, GATEWAY, "courier identity"),
        optional=True,
    )
    cors_origins = Setting(
        "CORS_ORIGINS",
        forms.origins,
        "Origins whose pages may use the API in a person's session, separated by commas.",
        read_by=(UP, GATEWAY),
        default="",
    )
    trusted_proxies = Setting(
        "TRUSTED_PROXIES",
        forms.networks,
        "Networks of the proxies whose `X-Forwarded-*` headers are believed, separated by commas.",
        read_by=(UP, GATEWAY),
        default="",
    )
    requests_per_session = Setting(
        "REQUESTS_PER_SESSION",
        forms.positive,
        "Requests a minute that one gateway process answers in one session.",
        read_by=(UP, GATEWAY),
        default="1200",
    )
    requests_per_network = Setting(
        "REQUESTS_PER_NETWORK",
        forms.positive,
        "Requests a minute that one gateway process answers to one network without a session.",
        read_by=(UP, GATEWAY),
        default="1200",
    )
    compared_pages_per_minute = Setting(
        "COMPARED_PAGES_PER_MINUTE",
        forms.positive,
        "Pages of at most 500 entries that are compared with the log in a minute, in the background.",
        read_by=(UP, "courier audit"),
        default="12",
    )
    audit_database_url = Setting(
        "AUDIT_DATABASE_URL",
        forms.database_url,
        "Audit's database under its service's role, for operators who compare other stores with the log.",
        read_by=(OPERATOR,),
        optional=True,
        confidential=True,
    )
    token = Setting(
        "TOKEN",
        forms.word,
        "API token of a compliance officer, or @ and a file, for `okacrm audit export`.",
        read_by=(OPERATOR,),
        optional=True,
        confidential=True,
    )

    @classmethod
    def from_environment(cls) -> Settings:
        return cls(dict(os.environ))

    @classmethod
    def declared(cls) -> list[Setting[Any]]:
        """Every setting that there is."""
        return [member for member in vars(cls).values() if isinstance(member, Setting)]

    def check(self) -> None:
        """Raise `ConfigurationError` if a variable that is set has a value it cannot have, or a misspelled name."""
        declared = {setting.name: setting for setting in self.declared()}
        for name, value in self.environment.items():
            if name in declared and value:
                declared[name].value_in(self.environment)
            elif name.startswith(PREFIX) and name not in declared and (meant := _meant_by(name, list(declared))):
                raise ConfigurationError(f"{name} is no setting: {meant} is one; correct the name or remove it")

    def check_for(self, process: str) -> None:
        """Raise `ConfigurationError` if a process, such as `courier audit`, could not go on with these settings."""
        self.check()
        for setting in self.declared():
            stands_in = self.environment.get(setting.name.removesuffix("_FILE"))
            if setting.is_read_by(process) and not (setting.optional or stands_in):
                setting.value_in(self.environment)

    @property
    def master_key(self) -> bytes:
        """The 32-byte key that wraps every key of the keyring."""
        given_inline = self.environment.get(Settings.master_key_inline.name)
        return self.master_key_inline if given_inline else self.master_key_file

    @property
    def service_secret(self) -> bytes:
        """32 bytes of this service's own, from which its blind-index and fingerprint keys are derived."""
        given_inline = self.environment.get(Settings.service_secret_inline.name)
        return self.service_secret_inline if given_inline else self.service_secret_file

    @property
    def cursor_key(self) -> bytes:
        """32 bytes with which gateways seal the cursors of lists; the same for all of them."""
        given_inline = self.environment.get(Settings.cursor_key_inline.name)
        return self.cursor_key_inline if given_inline else self.cursor_key_file

    @property
    def signing_key(self) -> bytes:
        """PEM of the private key with which this process signs the actor of its calls."""
        return self.signing_key_file.read_bytes()

    @property
    def log_key(self) -> bytes:
        """PEM of the private key that signs checkpoints of the audit log, read anew each time.

        While one key takes over from another there are two, one after the other.
        """
        return self.log_key_file.read_bytes()

    @property
    def log_public_key(self) -> bytes:
        """PEM of the public key that the log began with."""
        return self.log_public_key_file.read_bytes()

    @property
    def public_url(self) -> str:
        """Where people reach the platform: a setting, so that no header of a request decides it.

        The gateway answers to this host alone, and links in mails begin with it.
        """
        if self.local and not self.environment.get(Settings.stated_public_url.name):
            return f"http://127.0.0.1:{self.http_port}"
        url = self.stated_public_url
        if not (self.local or url.startswith("https://")):
            raise ConfigurationError(f"{Settings.stated_public_url.name} must be https://host or https://host:port")
        return url

    @property
    def local(self) -> bool:
        """True on a developer's machine, where HTTP is plain and cookies cannot be marked Secure."""
        return self.mode == "local"


def settings_page() -> str:
    """Every setting as a page, which docs/settings.md shows."""
    rows = [
        f"| `{setting.name}` | {setting.meaning} | {_default_of(setting)} | {', '.join(setting.read_by)} |"
        for setting in Settings.declared()
    ]
    return "\n".join([_PAGE_HEAD, "| variable | what | if not set | read by |", "|---|---|---|---|", *rows, ""])


def _default_of(setting: Setting[Any]) -> str:
    if setting.optional:
        return "-"
    if setting.default is None:
        return "needed"
    return f"`{setting.default}`" if setting.default else "none"


def _meant_by(name: str, declared: list[str]) -> str | None:
    """The setting whose name was meant by one that is nearly the same."""
    bare = {each.removeprefix(PREFIX): each for each in declared}
    similar = get_close_matches(name.removeprefix(PREFIX), bare, n=1, cutoff=SIMILAR)
    return bare[similar[0]] if similar else None


_PAGE_HEAD = """\
# Settings

This page is made from the declarations in `shared/runtime/config.py`: `make settings`.

Everything is set by variables of the environment. An empty variable counts as one that is not set. `okacrm up` reads
those marked so and tells each process what it needs; elsewhere they are set by whoever starts the process. All are
checked at the start of every command and process: one that cannot be used, or a name that is nearly that of a setting,
ends it with one line and exit status 2.
"""
