"""Writing a mail: values unsealed at this moment and in no row, in text and in HTML.

Nothing that a person typed stands in a header: the subject comes from the template alone, and an address only counts as
one if it is nothing else. Nor does a name stand in the text: anybody can register somebody else's address, and would
choose the words in which we write to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from sqlalchemy import Connection

from services.identity import queries
from services.identity.links import link_token
from services.identity.mail.letters import LETTERS, Link
from services.identity.mail.outgoing import Mail
from shared.contracts.problems import Problem
from shared.eventstore.recorded import Recorded, open_value
from shared.eventstore.store import bodies
from shared.privacy.keyring import Keyring
from shared.privacy.secrets import ServiceSecret
from shared.runtime.config import ConfigurationError

_POLICY = SMTP.clone(cte_type="7bit")
"""Lines that every server passes on as they are, whatever is written in them (RFC 2045)."""
_DETAILS = {"Device": "device", "Place": "place", "IP address": "ip_address"}
_LONGEST_DETAIL = 100


class Withheld(Exception):
    """This mail is not to be sent; the reason is a stable code."""


@dataclass(frozen=True)
class Written:
    """A message, and the address that it is to be handed over for."""

    message: EmailMessage
    recipient: str


class Writer:
    """Writes the mails of this platform, under its own name and address."""

    def __init__(self, keyring: Keyring, secret: ServiceSecret, *, sender: str, public_url: str) -> None:
        """`sender` is an address with or without a name before it. Raises `ConfigurationError` if it is not."""
        self._keyring = keyring
        self._secret = secret
        self._public_url = public_url.rstrip("/")
        name, address = parseaddr(sender)
        try:
            self.sender = _address(address, name)
        except ValueError:
            raise ConfigurationError("OKACRM_MAIL_FROM must be an e-mail address, or a name and <an address>") from None
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
        )

    def write(self, connection: Connection, mail: Mail, *, now: datetime) -> Written:
        """The message of a mail. Raises `Withheld` if nobody is to get it any more."""
        recorded = _event_of(connection, mail)
        event = recorded.open(self._keyring)
        address = open_value(mail.address, self._keyring)
        letter = LETTERS[recorded.type]
        zone = _zone(self._profile(connection, mail)["time_zone"] if letter.person == "account_id" else None)
        if not isinstance(address, str):
            raise Withheld("erased")
        expires_at = getattr(event, "expires_at", None)
        link = letter.link
        if link and expires_at and expires_at <= now:
            raise Withheld("expired")
        values = {
            "when": _spelled(recorded.time, zone),
            "expires": _spelled(expires_at, zone) if expires_at else None,
            "link": self._url_of(link, event) if link else None,
            "home": self._public_url,
            "details": {label: value for label, field in _DETAILS.items() if (value := _known(event, field))},
        }
        recipient = _in_ascii(address)
        return Written(self._message(mail, recipient, values), recipient.addr_spec)

    def _profile(self, connection: Connection, mail: Mail) -> dict[str, Any]:
        try:
            return queries.profile(connection, self._keyring, mail.account_id)
        except Problem as problem:
            if problem.code != "account-not-found":
                raise
            raise Withheld("erased") from None

    def _url_of(self, link: Link, event: Any) -> str:
        return f"{self._public_url}{link.path}?token={link_token(self._secret, link.purpose, getattr(event, link.of))}"

    def _message(self, mail: Mail, recipient: Address, values: dict[str, Any]) -> EmailMessage:
        text = self._templates.get_template(f"{mail.template}.txt")
        subject = "".join(text.blocks["subject"](text.new_context(values))).strip()
        html = self._templates.get_template(f"{mail.template}.html")
        message = EmailMessage(policy=_POLICY)
        message["From"] = self.sender
        message["To"] = recipient
        message["Subject"] = subject
        message["Date"] = format_datetime(mail.created_at)
        message["Message-ID"] = f"<{mail.id}@{self.sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer of a machine is wanted
        message.set_content(text.render(values))
        message.add_alternative(html.render(values, subject=subject), subtype="html")
        return message


def _event_of(connection: Connection, mail: Mail) -> Recorded:
    """What the mail is about. Raises `Withheld` if a restore has taken it away."""
    for body in bodies(connection, [mail.event_id]):
        return Recorded(body)
    raise Withheld("event-lost")


def _in_ascii(address: str) -> Address:
    """The address as any server takes it: the domain in its ASCII form. Raises `Withheld` for what is no address."""
    local, _, domain = address.rpartition("@")
    try:
        return _address(f"{local}@{domain.encode('idna').decode()}")
    except ValueError:
        raise Withheld("no-address") from None


def _address(address: str, name: str = "") -> Address:
    """An address for a header (RFC 5322). Raises `ValueError` for what is none, or is more than one."""
    try:
        parsed = Address(display_name=name, addr_spec=address)
    except (HeaderParseError, IndexError):
        raise ValueError("no address") from None
    if not parsed.username or not parsed.domain:
        raise ValueError("no address")
    return parsed


def _known(event: Any, field: str) -> str | None:
    """What an event says of where something happened, as one short line; None if it does not, or not any more."""
    value = getattr(event, field, None)
    return " ".join(value.split())[:_LONGEST_DETAIL] if isinstance(value, str) else None


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ValueError, KeyError, OSError):
        return ZoneInfo("UTC")


def _spelled(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{local.day} {local:%B %Y, %H:%M} ({zone})"
