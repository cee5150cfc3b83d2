"""Handing one message to a mail server by SMTP (RFC 5321), and what its answers mean."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from shared.runtime.forms import MAIL_PORTS

TIMEOUT = 10.0
"""For the connection and for each answer."""
SERVICE_CLOSING = 421


class ServerAway(Exception):
    """The server does not answer, gave up half-way, or refuses us altogether; nothing is said about the recipient."""


class Refused(Exception):
    """The server refuses this message or this recipient for good."""


class Deferred(Exception):
    """The server does not take this message for this recipient now."""


@dataclass(frozen=True)
class SmtpServer:
    """A mail server, and how to be let in."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None

    @classmethod
    def from_url(cls, url: str) -> SmtpServer:
        """The server of a URL in the form of the setting OKACRM_SMTP_URL."""
        parts = urlsplit(url)
        return cls(
            parts.scheme,
            parts.hostname or "",
            parts.port or MAIL_PORTS[parts.scheme],
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
        )

    def send(self, message: EmailMessage, *, sender: str, recipient: str) -> None:
        """Returns once the server has taken the message. Raises `Refused`, `Deferred` or `ServerAway` otherwise.

        After `ServerAway` the server may have taken the message all the same: its answer was lost.
        """
        try:
            with self._connected() as client:
                # As it was written: `send_message` would alter lines that begin with "From ".
                client.sendmail(sender, [recipient], message.as_bytes())
        except smtplib.SMTPRecipientsRefused as error:
            ((code, _),) = error.recipients.values()
            raise _meaning(code) from None
        except smtplib.SMTPDataError as error:
            raise _meaning(error.smtp_code) from None
        except smtplib.SMTPResponseException as error:
            raise ServerAway(f"{type(error).__name__} {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise ServerAway(type(error).__name__) from None

    def _connected(self) -> _Client:
        context = ssl.create_default_context()
        if self.scheme == "smtps":
            client: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT, context=context)
        else:
            client = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT)
        try:
            if self.scheme == "smtp+starttls":
                client.starttls(context=context)
            if self.user is not None:
                client.login(self.user, self.password or "")
        except BaseException:
            client.close()
            raise
        return _Client(client)


class _Client:
    """A connection whose end is nobody's concern: what was taken was taken, whether or not the farewell is answered."""

    def __init__(self, client: smtplib.SMTP) -> None:
        self._client = client

    def __enter__(self) -> smtplib.SMTP:
        return self._client

    def __exit__(self, *_: object) -> None:
        with suppress(smtplib.SMTPException, OSError):
            self._client.quit()
        self._client.close()


def _meaning(code: int) -> Exception:
    """What a reply to RCPT or DATA says (RFC 5321, section 4.2.1)."""
    if code == SERVICE_CLOSING:
        return ServerAway(f"reply {code}")
    return Refused(f"reply {code}") if code >= 500 else Deferred(f"reply {code}")
