"""Names are what everybody sees: nothing hidden in them, and nothing that turns them around."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from marshmallow import ValidationError

from shared.contracts.audit.disclosures import _legal_name
from shared.contracts.visible import Unseen, must_be_readable, must_be_seen

SEEN = [
    "Ada Lovelace",
    "Zoë Ångström",
    "Zoe\u0308",
    "山田 太郎",
    "山田\u3000太郎",
    "辻\U000e0100",
    "\u0646\u0627\u0645\u0647\u200c\u0647\u0627",
    "क्\u200dष",
    "ന്\u200d",
    "👩\u200d👩\u200d👧",
    "👩\u200d❤\ufe0f\u200d👨",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "👍🏽 1\ufe0f\u20e3",
    "\u0600 ١٢",
    "\U0001fae8",
]
UNSEEN = [
    "",
    " ",
    "\u00a0\u3000",
    "\u200b",
    "Ada\u200bLovelace",
    "\u200d",
    "Ada\u200d",
    "\u200cAda",
    "Ada\u200d\u200dL",
    "\u202eadA",
    *(f"Ada{each}L" for each in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"),
    "Ada\u2028L",
    "Ada\u2029L",
    "Ada\x00",
    "Ada\nL",
    "Ada\x7f",
    "Ada\x85L",
    "Ada\x9bL",
    "Ada\u00adL",
    "Ada\u2060L",
    "\ufeffAda",
    "\u3164",
    "\u2800",
    "\u115fAda",
    "\u0301",
    "\ufe0f",
    "Ada\U000e0041",
    "Ada\ufffe",
    "Ada\ud800",
]


@pytest.mark.parametrize("name", SEEN, ids=ascii)
def test_what_people_are_called_is_accepted_in_every_script(name: str) -> None:
    must_be_seen(name)


@pytest.mark.parametrize("name", UNSEEN, ids=ascii)
def test_what_nobody_sees_is_no_part_of_a_name(name: str) -> None:
    with pytest.raises(Unseen):
        must_be_seen(name)


def test_no_control_or_format_character_stands_by_itself_but_those_that_are_seen() -> None:
    accepted = []
    for number in range(sys.maxunicode + 1):
        if unicodedata.category(chr(number)) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            try:
                must_be_seen(f" {chr(number)} a")
                accepted.append(number)
            except Unseen:
                continue
    assert accepted == [*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD]


@pytest.mark.parametrize(
    "text", ["One\nline", "Dear\r\n\tAda", "\u200f\u05e2\u05d1\u05e8\u05d9\u05ea\u200e", *SEEN], ids=ascii
)
def test_prose_has_lines_and_marks_of_direction(text: str) -> None:
    must_be_readable(text)


@pytest.mark.parametrize(
    "text", ["", "\n \t", "\u200b", "a\x00", "a\x85", "a\x9b31m", "a\u202eb", "a\u202db"], ids=ascii
)
def test_prose_has_no_controls_and_is_not_turned_around(text: str) -> None:
    with pytest.raises(Unseen):
        must_be_readable(text)


@pytest.mark.parametrize(
    "name", ["Example\u202eMail", "Example\u200bMail", "Example\u2066Mail", "\u3164\u3164"], ids=ascii
)
def test_no_name_of_a_recipient_that_hides_something_goes_on_record(name: str) -> None:
    assert _legal_name().deserialize("Société Générale") == "Société Générale"
    with pytest.raises(ValidationError, match=r"seen|blank"):
        _legal_name().deserialize(name)
