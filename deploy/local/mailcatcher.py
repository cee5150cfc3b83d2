"""The mail catcher: takes every mail by SMTP, delivers none, and shows them on a page.

It behaves like a receiver in the one respect that matters here: of two mails with the same Message-ID it keeps one.
Each is kept as it came, as an `.eml` file in the state directory. Both ports are bound to the loopback address.
"""

from __future__ import annotations

import json
import signal
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from jinja2 import Environment, FileSystemLoader

from deploy.local.state import write_durably

HOST = "127.0.0.1"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; frame-ancestors 'self'"
"""A mail may bring its own style, and nothing that runs or is fetched from elsewhere."""


@dataclass(frozen=True)
class Caught:
    """One mail as the page shows it."""

    id: str
    message_id: str
    sender: str
    to: str
    subject: str
    date: str
    text: str
    html: str | None


class Mailbox:
    """The caught mails, one file each, named by the hash of its Message-ID."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def keep(self, content: bytes) -> bool:
        """Keeps a mail; False if it is here already."""
        message_id = _parsed(content)["Message-ID"]
        name = sha256(str(message_id).encode() if message_id else content).hexdigest()[:32]
        path = self._path(name)
        if path.exists():
            return False
        write_durably(path, content)
        return True

    def mails(self) -> list[Caught]:
        """All of them, the newest first."""
        paths = sorted(self._folder.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        return [_caught(path.stem, path.read_bytes()) for path in paths]

    def content(self, id: str) -> bytes:
        """A mail as it came. Raises `KeyError`."""
        if not id.isalnum() or not self._path(id).exists():
            raise KeyError(id)
        return self._path(id).read_bytes()

    def mail(self, id: str) -> Caught:
        """One mail. Raises `KeyError`."""
        return _caught(id, self.content(id))

    def _path(self, id: str) -> Path:
        return self._folder / f"{id}.eml"


class Receiving:
    """What aiosmtpd calls for each message."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name there
        kept = self._mailbox.keep(cast(bytes, envelope.content))
        return "250 Kept" if kept else "250 Dropped: a mail with this Message-ID is here already"


class Page(BaseHTTPRequestHandler):
    """The mails as a page, as JSON, and each as it came."""

    def __init__(self, mailbox: Mailbox, *arguments: Any) -> None:
        self._mailbox = mailbox
        super().__init__(*arguments)

    def do_GET(self) -> None:
        # A page elsewhere must not read mails here by giving its own name this address.
        if urlsplit(f"//{self.headers.get('Host', '')}").hostname not in (HOST, "localhost"):
            self._answer(HTTPStatus.MISDIRECTED_REQUEST, "text/plain", b"Ask by 127.0.0.1.\n")
            return
        try:
            self._answer(HTTPStatus.OK, *self._resource(urlsplit(self.path).path.strip("/").split("/")))
        except KeyError:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"There is no such mail.\n")

    def log_message(self, format: str, *arguments: Any) -> None:
        """Says nothing: an address of a page is of no use in the log of a catcher."""

    def _resource(self, path: list[str]) -> tuple[str, bytes]:
        """The media type and content at a path. Raises `KeyError`."""
        match path:
            case [""]:
                return "text/html", _rendered("mails.html", mails=self._mailbox.mails())
            case ["mails"]:
                return "application/json", json.dumps([asdict(mail) for mail in self._mailbox.mails()]).encode()
            case ["mails", id]:
                return "text/html", _rendered("mail.html", mail=self._mailbox.mail(id))
            case ["mails", id, "json"]:
                return "application/json", json.dumps(asdict(self._mailbox.mail(id))).encode()
            case ["mails", id, "html"]:
                return "text/html", (self._mailbox.mail(id).html or "").encode()
            case ["mails", id, "eml"]:
                return "message/rfc822", self._mailbox.content(id)
        raise KeyError(path)

    def _answer(self, status: HTTPStatus, media_type: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type if "html" not in media_type else "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def catching(folder: Path, *, smtp_port: int, http_port: int) -> Iterator[Mailbox]:
    """A catcher that runs on threads of its own for as long as the block does."""
    mailbox = Mailbox(folder)
    smtp = Controller(Receiving(mailbox), hostname=HOST, port=smtp_port)
    http = ThreadingHTTPServer((HOST, http_port), partial(Page, mailbox))
    serving = threading.Thread(target=http.serve_forever, daemon=True)
    smtp.start()
    serving.start()
    try:
        yield mailbox
    finally:
        http.shutdown()
        smtp.stop()


def run(folder: Path, *, smtp_port: int, http_port: int) -> None:
    """Catches mail until it is told to stop."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with catching(folder, smtp_port=smtp_port, http_port=http_port):
        while not stopping.wait(1.0):
            pass


def is_ready(url: str) -> bool:
    """Whether the page at this address answers."""
    with suppress(OSError), urllib.request.urlopen(f"{url}/mails", timeout=2) as answer:  # noqa: S310 - our own address
        return bool(answer.status == 200)
    return False


def _caught(id: str, content: bytes) -> Caught:
    message = _parsed(content)
    return Caught(
        id,
        message_id=str(message["Message-ID"] or ""),
        sender=str(message["From"] or ""),
        to=str(message["To"] or ""),
        subject=str(message["Subject"] or ""),
        date=str(message["Date"] or ""),
        text=_part(message, "plain") or "",
        html=_part(message, "html"),
    )


def _part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    return None if part is None else str(part.get_content()).replace("\r\n", "\n")


def _parsed(content: bytes) -> EmailMessage:
    return BytesParser(policy=default).parsebytes(content)


def _rendered(template: str, **values: Any) -> bytes:
    return _TEMPLATES.get_template(template).render(values).encode()


_TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent / "mailpages"), autoescape=True)
