"""The forms that values of settings have: each function reads one, or raises `ValueError` with what it must be."""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Callable
from email.utils import parseaddr
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

SECRET_BYTES = 32
MAIL_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
"""The schemes of mail servers, each with its port where the URL names none."""


def word(value: str) -> str:
    """Text that is used as it stands."""
    if not value.isprintable() or value.strip() != value:
        raise ValueError("must be one line of text, without spaces around it")
    return value


def one_of(*choices: str) -> Callable[[str], str]:
    """A form that accepts these words alone."""

    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be {' or '.join(choices)}")
        return value

    return read


def name(value: str) -> str:
    """A name that PostgreSQL takes for a database, with room for what is added to it."""
    if not (value.isascii() and value.isidentifier() and value == value.lower() and len(value) <= 32):
        raise ValueError("must be at most 32 lower-case letters, digits and underscores, and begin with a letter")
    return value


def port(value: str) -> int:
    """A TCP port."""
    return number_between(1, 65_535, "a port: a number")(value)


def address(value: str) -> tuple[str, int]:
    """A host and a TCP port to listen on."""
    host, _, number = value.rpartition(":")
    if not host:
        raise ValueError("must be host:port, such as 127.0.0.1:9464")
    return host.strip("[]"), port(number)


def positive(value: str) -> int:
    """A number above 0 that a counter reaches."""
    return number_between(1, 1_000_000_000)(value)


def number_between(least: int, most: int, what: str = "a number") -> Callable[[str], int]:
    """A form that accepts whole decimal numbers within these bounds."""

    def read(value: str) -> int:
        if value.isascii() and value.isdecimal() and len(value) <= len(str(most)) and least <= int(value) <= most:
            return int(value)
        raise ValueError(f"must be {what} from {least} to {most}")

    return read


def broker_url(value: str) -> str:
    """The URL of a broker."""
    if (parts := _split(value)) is None or parts.scheme not in ("amqp", "amqps") or not parts.hostname:
        raise ValueError("must be a URL such as amqp://user:password@host:5672/vhost")
    return value


def database_url(value: str) -> str:
    """The URL of a database, or of a server that has some. A folder of Unix sockets stands in its query."""
    parts = _split(value)
    if parts is None or parts.scheme not in ("postgresql", "postgres") or not (parts.hostname or parts.query):
        raise ValueError("must be a URL such as postgresql://user:password@host:5432/database")
    return value


def mail_url(value: str) -> str:
    """The URL of a mail server, to which no password goes in the clear."""
    parts = _split(value)
    if parts is None or parts.scheme not in MAIL_PORTS or not parts.hostname:
        raise ValueError(f"must be one of {', '.join(f'{scheme}://host' for scheme in MAIL_PORTS)}")
    if parts.username and parts.scheme == "smtp":
        raise ValueError("would send its password in the clear: use smtp+starttls or smtps")
    return value


def mailbox(value: str) -> str:
    """An e-mail address, with or without a name before it."""
    local, at, domain = parseaddr(value)[1].rpartition("@")
    if not (local and at and domain) or not value.isprintable():
        raise ValueError("must be an e-mail address, or a name and <an address>")
    return value


def origin(value: str) -> str:
    """Scheme and host of a site, in the spelling in which browsers send them, but for a slash at the end."""
    if _origin_of(value) != value.rstrip("/").lower():
        raise ValueError("must be https://host or https://host:port")
    return value.rstrip("/")


def origins(value: str) -> tuple[str, ...]:
    """Several origins, exactly as browsers send them."""
    listed = _listed(value)
    if any(_origin_of(each) != each for each in listed):
        raise ValueError("must be origins such as https://host, separated by commas")
    return listed


def networks(value: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Networks of addresses."""
    try:
        return tuple(ip_network(each) for each in _listed(value))
    except ValueError:
        raise ValueError("must be networks such as 10.0.0.0/8, separated by commas") from None


def secret(value: str) -> bytes:
    """The bytes of a secret, as base64."""
    try:
        return _of_secret_length(b64decode(value, validate=True))
    except ValueError:
        raise ValueError(f"must be {SECRET_BYTES} bytes as base64") from None


def secret_file(value: str) -> bytes:
    """The bytes of a secret, from its file."""
    try:
        return _of_secret_length(_content(value))
    except ValueError as error:
        raise ValueError(f"must name a file of {SECRET_BYTES} bytes: {error}") from None


def readable_file(value: str) -> Path:
    """A file that is there and can be read."""
    try:
        _content(value)
    except ValueError as error:
        raise ValueError(f"must name a file: {error}") from None
    return Path(value)


def folder(value: str) -> Path:
    """A folder that is there, or that can be made later."""
    path = Path(value).expanduser()
    nearest = next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))
    if not nearest.is_dir():
        raise ValueError(f"must name a folder, and {nearest} is none")
    return path


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from None


def _of_secret_length(content: bytes) -> bytes:
    if len(content) != SECRET_BYTES:
        raise ValueError(f"there are {len(content)}")
    return content


def _listed(value: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in value.split(",") if each.strip())


def _split(url: str) -> SplitResult | None:
    """The parts of a URL, or None for what is none: also where its port is no port."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it is read to see whether it can be
    except ValueError:
        return None
    return parts if url.isprintable() and " " not in url else None


def _origin_of(url: str) -> str | None:
    """The origin that a URL belongs to, in the spelling in which browsers send it."""
    parts = _split(url)
    default = {"http": 80, "https": 443}.get(parts.scheme) if parts else None
    if parts is None or default is None or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, default) else "")
