"""Letters: every one is written in every language, in text and in HTML, and says what happened."""

from __future__ import annotations

import string
from datetime import UTC, datetime
from email.headerregistry import Address
from zoneinfo import ZoneInfo

import pytest

from services.identity.notices.aggregate import Wording
from services.identity.notices.kinds import KINDS
from services.identity.notices.mail.letters import LETTERS
from services.identity.notices.mail.words import FOLDER, LetterWords, announced, language_for, spelled, words_in
from shared.contracts import vocabulary
from shared.contracts.events import contract_for
from shared.contracts.vocabulary import LOCALES
from tests.making import example_of
from tests.unit.services.identity.notices.mail.writers import mail, writer

WRITTEN = [letter for letter in LETTERS.values() if letter.template not in ("announcement", "policy_published")]
"""The letters whose words are ours; those of an announcement and of a policy come with it."""
VALUES = {"when": "24 November 2026, 11:57", "expires": "24 November 2026, 12:57", "remaining": "9"}
LINK = "https://okacrm.example/page?token=t"
QUOTATION = "We have <b>repaired</b> it."

each_letter = pytest.mark.parametrize("letter", WRITTEN, ids=lambda letter: letter.template)
each_language = pytest.mark.parametrize("language", LOCALES)


def placeholders(letter: LetterWords) -> set[str]:
    written = " ".join((letter.subject, *letter.opening, *letter.closing, letter.button))
    return {name for _, name, _, _ in string.Formatter().parse(written) if name is not None}


@each_language
def test_what_is_written_in_english_is_written_in_every_language(language: str) -> None:
    english, words = words_in("en"), words_in(language)
    assert words.letters.keys() == english.letters.keys() == {letter.template for letter in WRITTEN}
    assert words.details.keys() == english.details.keys()
    assert words.why.keys() == english.why.keys() == {name for name, kind in KINDS.items() if kind.refusable}
    for name, letter in words.letters.items():
        model = english.letters[name]
        assert (len(letter.opening), len(letter.closing)) == (len(model.opening), len(model.closing)), name
        assert bool(letter.button) == bool(model.button), name
        assert placeholders(letter) == placeholders(model), name


def test_no_language_is_written_in_that_nobody_can_prefer() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(LOCALES)


@each_language
@each_letter
def test_both_forms_carry_the_link_and_a_subject_that_no_value_enters(letter, language: str) -> None:
    words = words_in(language).letters[letter.template]
    assert 10 < len(words.subject) < 60
    assert words.subject.isprintable()
    assert "{" not in words.subject
    content = {
        "link": LINK if letter.link else None,
        "quotation": QUOTATION if letter.quotes else None,
        "details": {"device": "<b>Firefox</b>"},
    }
    filled = words.filled(VALUES, linked=letter.link is not None)
    message = writer()._message(
        mail(template=letter.template), Address("", "ada", "example.org"), language, filled, content
    )
    text, html = (part.get_content() for part in message.iter_parts())
    assert message["Subject"] == words.subject
    assert message["Content-Language"] == language
    for form in (text, html):
        assert (LINK in form) is (letter.link is not None)
        assert any(VALUES[name] in " ".join(form.split()) for name in placeholders(words))
    assert "<b>Firefox" not in html
    assert f'<html lang="{language}">' in html
    assert ("<b>repaired</b>" in text) is (letter.quotes is not None)
    assert ("&lt;b&gt;repaired&lt;/b&gt;" in html) is (letter.quotes is not None)


@pytest.mark.parametrize("event_type", LETTERS, ids=[letter.template for letter in LETTERS.values()])
def test_a_letter_goes_where_its_event_can_say(event_type: str) -> None:
    letter, contract = LETTERS[event_type], contract_for(event_type, 1)
    assert letter.whom is None or letter.whom in contract.subject_fields
    assert letter.to is None or letter.to in contract.personal_fields
    assert letter.quotes is None or letter.quotes in contract.personal_fields
    assert letter.link is None or {letter.link.of, "expires_at"} <= contract.fields.keys()
    assert letter.kind_of(contract.dump(example_of(contract))) in KINDS


def test_events_know_every_letter_and_every_kind() -> None:
    assert {letter.template for letter in LETTERS.values()} == set(vocabulary.LETTERS)
    assert tuple(KINDS) == vocabulary.NOTICE_KINDS


@pytest.mark.parametrize(
    ("language", "zone", "written"),
    [
        ("en", "Europe/Paris", "24 November 2026, 11:57 (Central European Standard Time)"),
        ("de", "Europe/Paris", "24. November 2026, 11:57 (Mitteleuropäische Normalzeit)"),
        ("fr", "America/New_York", "24 novembre 2026, 05:57 (heure normale de l\u2019Est nord-américain)"),
        ("es", "America/New_York", "24 de noviembre de 2026, 5:57 (hora estándar oriental)"),
        ("it", "Asia/Tokyo", "24 novembre 2026, 19:57 (Ora standard del Giappone)"),
        ("pt", "UTC", "24 de novembro de 2026, 10:57 (Hora Coordenada Universal)"),
    ],
)
def test_an_instant_is_written_as_the_reader_writes_it_by_the_clock_on_their_wall(
    language: str, zone: str, written: str
) -> None:
    assert spelled(datetime(2026, 11, 24, 10, 57, tzinfo=UTC), ZoneInfo(zone), language) == written


def test_summer_time_is_told_apart() -> None:
    summer = spelled(datetime(2026, 7, 1, 10, 0, tzinfo=UTC), ZoneInfo("Europe/Berlin"), "de")
    assert summer == "1. Juli 2026, 12:00 (Mitteleuropäische Sommerzeit)"


def test_whoever_prefers_no_language_or_one_that_is_not_written_is_written_to_in_english() -> None:
    assert [language_for(locale) for locale in (None, "eo", "de")] == ["en", "en", "de"]


def test_an_announcement_is_written_as_it_stands() -> None:
    letter = announced(Wording("News", "First {when},\nstill first.\n\n\nSecond."))
    assert (letter.subject, letter.opening) == ("News", ["First {when},\nstill first.", "Second."])


def test_an_announcement_has_its_paragraphs_whatever_its_lines_end_with() -> None:
    assert announced(Wording("News", "First,\r\nstill first.\r\n\r\nSecond.")).opening == [
        "First,\nstill first.",
        "Second.",
    ]
