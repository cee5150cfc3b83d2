"""Handing a message over: encrypted where that was asked for, to a server that is who it says it is, or not at all."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from ipaddress import ip_address

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from markupsafe import escape

from deploy.local.state import StateDirectory
from services.identity.notices.mail.smtp import Deferred, Refused, ServerAway, SmtpServer
from services.identity.notices.mail.words import words_in
from services.identity.notices.mail.writing import _recipient
from tests.unit.services.identity.notices.mail.writers import mail, writer

LOGIN = LoginPassword(b"okacrm", b"a secret/of ours")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for the loopback address that is its own authority, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


@pytest.fixture
def port(tmp_path):
    return StateDirectory(tmp_path).port("smtp")


class Server:
    """A mail server that remembers over what it was given which messages."""

    def __init__(self, answer="250 OK"):
        self.answer = answer
        self.took = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.took.append((session.ssl is not None, session.authenticated, envelope.rcpt_tos))
        return self.answer


@contextmanager
def running(server, port, **options):
    controller = Controller(server, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield
    finally:
        controller.stop()


def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=data == LOGIN, handled=False)


def send(url):
    message = EmailMessage()
    message["Subject"] = "Hello"
    message.set_content("Hello")
    SmtpServer.from_url(url).send(message, sender="no-reply@okacrm.example", recipient="ada@example.org")


def test_encryption_and_a_password_are_used_where_they_are_asked_for(certificate, port, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = Server()
    with running(server, port, tls_context=tls(certificate), require_starttls=True, authenticator=authenticate):
        send(f"smtp+starttls://okacrm:a%20secret%2Fof%20ours@127.0.0.1:{port}")
    assert server.took == [(True, True, ["ada@example.org"])]


def test_a_wrong_password_is_no_fault_of_the_recipient(certificate, port, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = Server()
    options = {"tls_context": tls(certificate), "authenticator": authenticate}
    with running(server, port, **options), pytest.raises(ServerAway, match="SMTPAuthenticationError 535"):
        send(f"smtp+starttls://okacrm:wrong@127.0.0.1:{port}")
    assert server.took == []


def test_a_server_nobody_vouches_for_gets_nothing(certificate, port):
    server = Server()
    with running(server, port, tls_context=tls(certificate)), pytest.raises(ServerAway, match="SSLCertVerification"):
        send(f"smtp+starttls://127.0.0.1:{port}")
    assert server.took == []


def test_a_server_that_does_not_encrypt_gets_nothing_where_that_was_asked_for(port):
    server = Server()
    with running(server, port), pytest.raises(ServerAway, match="SMTPNotSupportedError"):
        send(f"smtp+starttls://127.0.0.1:{port}")
    assert server.took == []


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [("554 No", Refused), ("552 Too much", Refused), ("451 Later", Deferred), ("421 Closing", ServerAway)],
)
def test_an_answer_to_the_message_is_told_by_its_class(port, answer, meaning):
    with running(Server(answer), port), pytest.raises(meaning, match=answer[:3]):
        send(f"smtp://127.0.0.1:{port}")


def test_a_server_that_is_not_there_is_away(port):
    with pytest.raises(ServerAway, match="ConnectionRefusedError"):
        send(f"smtp://127.0.0.1:{port}")


class Listener:
    """A mail server that remembers the envelope and the content of what it was given."""

    def __init__(self):
        self.took = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.took.append((envelope.mail_from, tuple(envelope.rcpt_tos), envelope.content))
        return "250 OK"


@pytest.mark.parametrize(
    ("address", "on_the_wire"),
    [
        ("Anna@faß.example", "Anna@xn--fa-hia.example"),
        ("anna@fass.example", "anna@fass.example"),
        ("anna@mu\u0308nchen.example", "anna@xn--mnchen-3ya.example"),
        ('"anna"@example.org', "anna@example.org"),
        (r'"an\"na,..<>"@example.org', r'"an\"na,..<>"@example.org'),
    ],
)
def test_a_mail_goes_to_the_mailbox_that_was_typed(port, address, on_the_wire):
    listener, house = Listener(), writer("Okacrm <post@haß.example>")
    letter = words_in("en").letters["password_changed"].filled({"when": "today"}, linked=False)
    content = {"link": None, "quotation": None, "details": {}}
    message = house._message(mail(), _recipient(address), "en", letter, content)
    with running(listener, port):
        SmtpServer.from_url(f"smtp://127.0.0.1:{port}").send(
            message, sender=house.sender.addr_spec, recipient=_recipient(address).addr_spec
        )
    ((mail_from, recipients, written),) = listener.took
    assert (mail_from, recipients) == ("post@xn--ha-hia.example", (on_the_wire,))
    head = written.partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")
    assert f"To: {on_the_wire}" in head
    assert "From: Okacrm <post@xn--ha-hia.example>" in head
    assert any(line.startswith("Message-ID: <") and line.endswith("@xn--ha-hia.example>") for line in head)


LINES = """From here on
.
..two
.hidden
>From the archive
From
Grüße, 今日は, 👋
{long}
 end
""".format(long="0123456789 From . " * 200)


@pytest.mark.parametrize("line_of_header", ["https://okacrm.example", f"https://{'a' * 60}.{'b' * 60}.example:8443"])
def test_what_was_written_arrives_letter_for_letter(port, line_of_header):
    """A line that begins with From, or with a full stop, is what servers alter on the way."""
    listener, house = Listener(), writer()
    house._public_url = line_of_header
    letter = replace(
        words_in("en").letters["password_changed"].filled({"when": "today"}, linked=False), opening=["From x"]
    )
    message = house._message(
        mail(), _recipient("anna@example.org"), "en", letter, {"link": None, "quotation": LINES, "details": {}}
    )
    house._let_unsubscribe(message, "t" * 43)
    with running(listener, port):
        server = SmtpServer.from_url(f"smtp://127.0.0.1:{port}")
        server.send(message, sender="post@okacrm.example", recipient="anna@example.org")
    ((_, _, content),) = listener.took
    lines = content.split(b"\r\n")
    assert not any(b"\n" in line or b"\r" in line or len(line) > 998 for line in lines)
    assert not any(line.startswith((b"From ", b">From ", b".")) for line in lines)
    _, _, body = content.partition(b"\r\n\r\n")
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert f"List-Unsubscribe: <{line_of_header}/v1/unsubscriptions/{'t' * 43}>".encode() in lines
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
    received = BytesParser(policy=default).parsebytes(content)
    assert LINES in received.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert escape(LINES.strip()) in received.get_body(("html",)).get_content().replace("\r\n", "\n")
