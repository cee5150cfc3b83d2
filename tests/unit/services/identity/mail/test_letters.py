"""Letters: every one is written in text and in HTML, and says what happened."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.identity.mail import writing
from services.identity.mail.letters import LETTERS
from shared.contracts.events import contract_for

TEMPLATES = Path(writing.__file__).parent / "templates"
VALUES = {
    "when": "24 November 2026, 11:57 (Europe/Paris)",
    "expires": "24 November 2026, 12:57 (Europe/Paris)",
    "link": "https://okacrm.example/page?token=t",
    "home": "https://okacrm.example",
    "details": {"Device": "<b>Firefox</b>"},
}

each_letter = pytest.mark.parametrize("event_type", LETTERS, ids=[letter.template for letter in LETTERS.values()])


@pytest.fixture(scope="module")
def environment() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, autoescape=True)


@each_letter
def test_both_forms_carry_the_link_and_a_subject_that_no_value_enters(
    environment: Environment, event_type: str
) -> None:
    letter = LETTERS[event_type]
    text = environment.get_template(f"{letter.template}.txt")
    subject = "".join(text.blocks["subject"](text.new_context({})))
    assert 10 < len(subject) < 60
    assert subject.isprintable()
    for form in (
        text.render(VALUES),
        environment.get_template(f"{letter.template}.html").render(VALUES, subject=subject),
    ):
        assert (VALUES["link"] in form) is (letter.link is not None)
        assert (VALUES["when"] in form) or (VALUES["expires"] in form)
        assert "<b>Firefox" not in form


@each_letter
def test_a_letter_goes_where_its_event_can_say(event_type: str) -> None:
    letter, contract = LETTERS[event_type], contract_for(event_type, 1)
    assert letter.person in contract.subject_fields
    assert letter.to is not None or letter.person == "account_id"
    assert letter.to is None or letter.to in contract.personal_fields
    assert letter.link is None or {letter.link.of, "expires_at"} <= contract.fields.keys()


def test_every_template_is_of_a_letter_or_a_part_of_several() -> None:
    parts = {"layout", "link"}
    assert {path.stem for path in TEMPLATES.iterdir()} - parts == {letter.template for letter in LETTERS.values()}
