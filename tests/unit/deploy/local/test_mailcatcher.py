"""The mail catcher keeps each mail once, and hands out mails and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.mailcatcher import Mailbox


def mail(message_id: str, subject: str = "Hello") -> bytes:
    return (
        f"From: a@example.org\r\nTo: b@example.org\r\nSubject: {subject}\r\nMessage-ID: {message_id}\r\n\r\nText\r\n"
    ).encode()


def test_of_two_mails_with_one_message_id_the_first_is_kept(tmp_path: Path) -> None:
    box = Mailbox(tmp_path)
    assert box.keep(mail("<1@okacrm.example>", "First"))
    assert not box.keep(mail("<1@okacrm.example>", "Second"))
    assert box.keep(mail("<2@okacrm.example>"))
    assert sorted(each.subject for each in box.mails()) == ["First", "Hello"]


def test_it_is_remembered_by_the_next_catcher(tmp_path: Path) -> None:
    Mailbox(tmp_path).keep(mail("<1@okacrm.example>"))
    assert not Mailbox(tmp_path).keep(mail("<1@okacrm.example>"))


def test_a_message_id_names_no_file(tmp_path: Path) -> None:
    Mailbox(tmp_path / "mail").keep(mail("<../../etc/passwd>"))
    assert [path.parent.name for path in tmp_path.rglob("*.eml")] == ["mail"]


def test_a_mail_comes_back_as_it_came(tmp_path: Path) -> None:
    box = Mailbox(tmp_path)
    box.keep(mail("<1@okacrm.example>"))
    (kept,) = box.mails()
    assert box.content(kept.id) == mail("<1@okacrm.example>")
    assert (kept.to, kept.text, kept.html) == ("b@example.org", "Text\n", None)


@pytest.mark.parametrize("id", ["", "..", "../secret", "nothing"])
def test_what_is_no_mail_is_not_handed_out(tmp_path: Path, id: str) -> None:
    (tmp_path / "secret.eml").write_text("secret")
    with pytest.raises(KeyError):
        Mailbox(tmp_path / "mail").content(id)
