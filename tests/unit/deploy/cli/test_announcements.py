"""The words of an announcement come from a file, in which a mistake is told in words."""

from __future__ import annotations

from io import BytesIO

import click
import pytest

from deploy.cli.announcements import _wordings


def test_every_language_is_a_table() -> None:
    written = '[en]\nsubject = "News"\ntext = """\nOne.\n\nTwo."""\n[de]\nsubject = "Neues"\ntext = "Eins."\n'
    assert _wordings(BytesIO(written.encode())) == [
        {"language": "en", "subject": "News", "text": "One.\n\nTwo."},
        {"language": "de", "subject": "Neues", "text": "Eins."},
    ]


@pytest.mark.parametrize("subject", ["News\\nBcc: all", "\u202eNews", "\u200b"], ids=ascii)
def test_what_everybody_is_told_can_be_seen(subject: str) -> None:
    with pytest.raises(click.ClickException, match=r"cannot be seen|blank"):
        _wordings(BytesIO(f'[en]\nsubject = "{subject}"\ntext = "One."'.encode()))


@pytest.mark.parametrize("written", [b"en", b"en = 1", b"[en]\nsubject = 'News'", b"\xff"])
def test_anything_else_is_refused(written: bytes) -> None:
    with pytest.raises(click.ClickException, match="WORDS must hold"):
        _wordings(BytesIO(written))
