"""The words of letters in every language, and instants as a language writes them.

One file per language (`words/de.toml`) holds all that is written in it, so that what is missing can be seen, and a test
sees it. What a letter says is the same in text and in HTML.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_time, get_timezone_name

from services.identity.notices.aggregate import FALLBACK_LANGUAGE, Wording

FOLDER = Path(__file__).parent / "words"
_FORMS = {"en": "en_GB", "pt": "pt_PT"}
"""Where a language writes instants in several ways: the one that most of its readers understand."""


@dataclass(frozen=True)
class LetterWords:
    """What one letter says: paragraphs before and after its link, quotation or details.

    They may name `{when}`, `{expires}` and `{remaining}`. Where there is no link to be followed, `without_link` is said
    in the place of `closing`, if it is written.
    """

    subject: str
    opening: list[str]
    closing: list[str]
    button: str = ""
    without_link: list[str] | None = None

    def filled(self, values: Mapping[str, str], *, linked: bool) -> LetterWords:
        """The same with values in their places. Nothing is filled into the subject."""
        closing = self.closing if linked or self.without_link is None else self.without_link
        return replace(
            self,
            opening=[paragraph.format_map(values) for paragraph in self.opening],
            closing=[paragraph.format_map(values) for paragraph in closing],
        )


@dataclass(frozen=True)
class Words:
    """All that is written in one language. `why` says, by kind, why somebody gets a notice that they can refuse."""

    greeting: str
    if_the_button_fails: str
    why: Mapping[str, str]
    details: Mapping[str, str]
    letters: Mapping[str, LetterWords]


@cache
def words_in(language: str) -> Words:
    """The words of a language. Raises `OSError` if it is not written."""
    written = tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    letters = {name: LetterWords(**letter) for name, letter in written.pop("letters").items()}
    return Words(letters=letters, **written)


def language_for(locale: str | None) -> str:
    """The language in which to write to somebody who prefers `locale`, if they said."""
    return locale if locale and (FOLDER / f"{locale}.toml").exists() else FALLBACK_LANGUAGE


def announced(wording: Wording) -> LetterWords:
    """An announcement as a letter, whatever its lines end with."""
    text = wording.text.replace("\r\n", "\n")
    return LetterWords(wording.subject_line, [part.strip() for part in text.split("\n\n") if part.strip()], [])


def spelled(moment: datetime, zone: ZoneInfo, language: str) -> str:
    """An instant where the reader is, as their language writes it, and by which clock."""
    form = _FORMS.get(language, language)
    local = moment.astimezone(zone)
    clock = get_timezone_name(local, locale=form)
    return f"{format_date(local, 'long', locale=form)}, {format_time(local, 'short', locale=form)} ({clock})"
