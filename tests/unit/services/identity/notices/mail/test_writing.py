"""Writing: what a person typed stands in no header, and the sender's address is one."""

from __future__ import annotations

import pytest

from services.identity.notices.mail.words import words_in
from services.identity.notices.mail.writing import Withheld, _recipient
from shared.runtime.config import ConfigurationError
from tests.unit.services.identity.notices.mail.writers import mail, writer


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
        _recipient(address)


def test_a_domain_is_written_as_every_server_takes_it() -> None:
    assert _recipient("ada@bücher.example").addr_spec == "ada@xn--bcher-kva.example"


def test_a_message_says_who_sends_it_and_that_a_machine_does() -> None:
    letter = words_in("en").letters["password_changed"].filled({"when": "today"}, linked=False)
    message = writer()._message(
        mail(), _recipient("ada@example.org"), "en", letter, {"link": None, "quotation": None, "details": {}}
    )
    assert (message["From"], message["To"]) == ("Okacrm <no-reply@okacrm.example>", "ada@example.org")
    assert message["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize(("kind", "says_why"), [("service", False), ("product", True), ("policy_update", True)])
def test_what_can_be_refused_says_why_it_came_and_where_to_refuse_it(kind: str, says_why: bool) -> None:
    letter = words_in("en").letters["password_changed"].filled({"when": "today"}, linked=False)
    recipient = _recipient("ada@example.org")
    message = writer()._message(
        mail(kind=kind), recipient, "en", letter, {"link": None, "quotation": None, "details": {}}
    )
    for part in message.iter_parts():
        assert ("https://okacrm.example/settings/notices" in part.get_content()) is says_why


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
