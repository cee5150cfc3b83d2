"""Writing a mail: values unsealed at this moment and in no row, in text and in HTML.

Nothing that a person typed stands in a header: the subject comes from the words of the letter alone, or from whoever
announces something for the house, and an address only counts as one if it is nothing else. Nor does a name stand in the
text: anybody can register somebody else's address, and would choose the words in which we write to them. What staff
answer is quoted; what they answer to is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime, parseaddr
from pathlib import Path
from textwrap import fill
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from sqlalchemy import Connection

from services.identity.accounts import queries as account_queries
from services.identity.accounts.links import link_token
from services.identity.notices import unsubscribing
from services.identity.notices.aggregate import FALLBACK_LANGUAGE, Wording
from services.identity.notices.kinds import KINDS
from services.identity.notices.mail.letters import LETTERS, Letter
from services.identity.notices.mail.outgoing import Mail, event_of
from services.identity.notices.mail.recipients import consent_for, obstacles
from services.identity.notices.mail.words import LetterWords, announced, language_for, spelled, words_in
from services.identity.notices.queries import wording_for
from shared.contracts.audit import PolicyPublished
from shared.contracts.identity import AnnouncementPublished
from shared.contracts.mailboxes import NoMailbox, mailbox
from shared.contracts.problems import Problem
from shared.eventstore.recorded import open_value
from shared.privacy.keyring import Keyring
from shared.privacy.secrets import ServiceSecret
from shared.runtime.config import ConfigurationError


class _WholeHeader(UnstructuredHeader, BaseHeader):
    """A header whose value is one word: a library that folds it would write it in a form that no mail program reads."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("List-Unsubscribe", _WholeHeader)
_POLICY = SMTP.clone(cte_type="7bit", max_line_length=74, header_factory=_HEADERS)
"""Lines that every server passes on as they are, whatever is written in them (RFC 2045), with room for `_ALTERED`."""
_ALTERED = re.compile(r"^(?:F(?=rom )|>(?=>*From )|\.)", re.MULTILINE)
"""What others write otherwise at the beginning of a line: From, in mailboxes that are one file, and a full stop."""
_FORM = "quoted-printable"
_DETAILS = ("device", "place", "ip_address")
_LONGEST_DETAIL = 100
_LINE = 78
PREFERENCES_PAGE = "/settings/notices"
"""The page of the browser client on which a person says what they want to be told of."""


class Withheld(Exception):
    """This mail is not to be sent; the reason is a stable code."""


@dataclass(frozen=True)
class Written:
    """A message, the address that it is to be handed over for, what is kept of it, and the request it came from.

    `relied_on` is the event of the consent that it rests on, if its kind needs one.
    """

    message: EmailMessage
    recipient: str
    language: str
    subject_line: str
    correlation_id: str
    relied_on: UUID | None


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
        except NoMailbox:
            raise ConfigurationError("OKACRM_MAIL_FROM must be an e-mail address, or a name and <an address>") from None
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
        )
        self._templates.filters["wrapped"] = _wrapped

    def write(self, connection: Connection, mail: Mail, *, now: datetime) -> Written:
        """The message of a mail. Raises `Withheld` if nobody is to get it any more."""
        recorded = event_of(connection, mail)
        if recorded is None:
            raise Withheld("event-lost")
        event = recorded.open(self._keyring)
        address = open_value(mail.address, self._keyring)
        letter = LETTERS[recorded.type]
        if not isinstance(address, str):
            raise Withheld("erased")
        if obstacle := obstacles(connection, mail.account_id).get(mail.kind):
            raise Withheld(obstacle)
        expires_at = getattr(event, "expires_at", None)
        if letter.link and expires_at and expires_at <= now:
            raise Withheld("expired")
        profile = self._profile(connection, mail, letter)
        language, link = language_for(profile.get("locale")), self._url_of(letter, event)
        zone = _zone(profile.get("time_zone"))
        details = {field: value for field in _DETAILS if (value := _known(event, field))}
        if isinstance(event, AnnouncementPublished):
            language, wording = wording_for(connection, event.announcement_id, language)
            words = announced(wording)
        elif isinstance(event, PolicyPublished):
            language, wording = _summary_for(event, language)
            words = announced(wording)
            details = {"effective": spelled(event.effective_at, zone, language), "document": event.document_url}
        else:
            values = {"when": spelled(recorded.time, zone, language), "remaining": str(getattr(event, "remaining", ""))}
            if expires_at:
                values["expires"] = spelled(expires_at, zone, language)
            words = words_in(language).letters[mail.template].filled(values, linked=link is not None)
        content = {
            "link": link,
            "quotation": getattr(event, letter.quotes) if letter.quotes else None,
            "details": details,
        }
        recipient = _recipient(address)
        message = self._message(mail, recipient, language, words, content)
        if KINDS[mail.kind].refusable:
            self._let_unsubscribe(message, unsubscribing.keep(connection, self._secret, mail.account_id, mail.kind))
        return Written(
            message,
            recipient.addr_spec,
            language,
            words.subject,
            recorded.envelope["correlationid"],
            consent_for(connection, mail.account_id, mail.kind),
        )

    def _profile(self, connection: Connection, mail: Mail, letter: Letter) -> dict[str, Any]:
        """What the account says of language and time zone. Who was never expected to have one has none to say it."""
        try:
            return account_queries.profile(connection, self._keyring, mail.account_id)
        except Problem as problem:
            if problem.code != "account-not-found":
                raise
            if letter.whom in (None, "account_id"):
                raise Withheld("erased") from None
            return {}

    def _url_of(self, letter: Letter, event: Any) -> str | None:
        of = getattr(event, letter.link.of) if letter.link else None
        if letter.link is None or of is None:
            return None
        token = link_token(self._secret, letter.link.purpose, of)
        return f"{self._public_url}{letter.link.path}?token={token}"

    def _message(
        self, mail: Mail, recipient: Address, language: str, letter: LetterWords, values: dict[str, Any]
    ) -> EmailMessage:
        words = words_in(language)
        context = {
            "language": language,
            "words": words,
            "letter": letter,
            "why": words.why.get(mail.kind),
            "home": self._public_url,
            "preferences": self._public_url + PREFERENCES_PAGE,
            **values,
        }
        message = EmailMessage(policy=_POLICY)
        message["From"] = self.sender
        message["To"] = recipient
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(mail.created_at)
        message["Message-ID"] = f"<{mail.id}@{self.sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer of a machine is wanted
        message.set_content(self._templates.get_template("letter.txt").render(context), cte=_FORM)
        message.add_alternative(self._templates.get_template("letter.html").render(context), subtype="html", cte=_FORM)
        for part in message.iter_parts():
            encoded = part.get_payload()
            assert isinstance(encoded, str)
            part.set_payload(_ALTERED.sub(lambda found: f"={ord(found[0]):02X}", encoded))
        message["Content-Language"] = language
        return message

    def _let_unsubscribe(self, message: EmailMessage, token: str) -> None:
        """Lets a mail program end notices of this kind with one click (RFC 8058)."""
        message["List-Unsubscribe"] = f"<{self._public_url}{unsubscribing.PATH}/{token}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"


def _summary_for(event: PolicyPublished, language: str) -> tuple[str, Wording]:
    """What a version of a policy changes, in a language or else in English; and which of them it is."""
    written = {each["language"]: Wording(each["subject_line"], each["text"]) for each in event.summaries}
    chosen = language if language in written else FALLBACK_LANGUAGE
    return chosen, written[chosen]


def _recipient(address: str) -> Address:
    """The address as any server takes it. Raises `Withheld` for what is none, or is more than one."""
    try:
        return _address(address)
    except NoMailbox:
        raise Withheld("no-address") from None


def _address(address: str, name: str = "") -> Address:
    """An address for a header (RFC 5322). Raises `NoMailbox`."""
    return Address(display_name=name, addr_spec=mailbox(address).on_the_wire)


def _known(event: Any, field: str) -> str | None:
    """What an event says of where something happened, as one short line; None if it does not, or not any more."""
    value = getattr(event, field, None)
    return " ".join(value.split())[:_LONGEST_DETAIL] if isinstance(value, str) else None


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ValueError, KeyError, OSError):
        return ZoneInfo("UTC")


def _wrapped(paragraph: str) -> str:
    return fill(paragraph, _LINE, break_long_words=False, break_on_hyphens=False)
