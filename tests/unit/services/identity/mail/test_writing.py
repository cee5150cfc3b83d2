"""Writing: what a person typed stands in no header, and the sender's address is one."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from services.identity.mail.outgoing import Mail
from services.identity.mail.writing import Withheld, Writer, _in_ascii
from shared.privacy.secrets import ServiceSecret
from shared.runtime.config import ConfigurationError


def writer(sender: str = "Okacrm <no-reply@okacrm.example>") -> Writer:
    return Writer(None, ServiceSecret(b"s" * 32), sender=sender, public_url="https://okacrm.example/")  # type: ignore[arg-type]


def mail(**changes: object) -> Mail:
    values = {
        "event_id": uuid4(),
        "template": "password_changed",
        "recipient": b"r" * 32,
        "account_id": uuid4(),
        "address": "{}",
        "attempts": 0,
        "created_at": datetime(2026, 11, 24, tzinfo=UTC),
    }
    return Mail(**values | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.org\r\nBcc: everybody@example.org",
        "ada@example.org\nSubject: another",
        "ada@example.org, everybody@example.org",
        "Ada <ada@example.org>",
        "ada@exa\rmple.org",
        "ada",
        "",
    ],
)
def test_what_is_more_than_an_address_is_written_to_by_nobody(address: str) -> None:
    with pytest.raises(Withheld, match="no-address"):
        _in_ascii(address)


def test_a_domain_is_written_as_every_server_takes_it() -> None:
    assert _in_ascii("ada@bücher.example").addr_spec == "ada@xn--bcher-kva.example"


def test_a_message_says_who_sends_it_and_that_a_machine_does() -> None:
    values = {"when": "today", "home": "https://okacrm.example"}
    message = writer()._message(mail(), _in_ascii("ada@example.org"), values)
    assert (message["From"], message["To"]) == ("Okacrm <no-reply@okacrm.example>", "ada@example.org")
    assert message["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


def test_the_same_mail_has_the_same_message_id_and_another_has_another() -> None:
    one = mail()
    same = mail(event_id=one.event_id)
    others = [
        mail(event_id=one.event_id, template="new_device"),
        mail(event_id=one.event_id, recipient=b"o" * 32),
        mail(),
    ]
    assert one.id == same.id
    assert len({one.id, *(other.id for other in others)}) == 4


@pytest.mark.parametrize("sender", ["", "Okacrm", "Okacrm <>", "no-reply@", "@okacrm.example"])
def test_without_an_address_of_its_own_nothing_is_started(sender: str) -> None:
    with pytest.raises(ConfigurationError, match="OKACRM_MAIL_FROM"):
        writer(sender)
