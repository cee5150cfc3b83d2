"""What is asked of the log is kept for everybody whom it is about."""

from __future__ import annotations

from uuid import uuid4

from services.audit.questions.aggregate import Question
from shared.contracts.audit import QuestionAsked
from tests.making import NOON


def test_a_question_about_several_people_is_kept_for_each():
    question, people = Question(uuid4()), [uuid4(), uuid4()]
    events = list(question.ask("records", subjects=people, query="subject:…", size=7, now=NOON))
    assert [event.subject_id for event in events] == people
    assert {(event.question_id, event.question, event.query, event.size) for event in events} == {
        (question.id, "records", "subject:…", 7)
    }


def test_a_question_about_nobody_is_kept_once():
    question, record_id = Question(uuid4()), uuid4()
    (event,) = question.ask("record", subjects=[], record_id=record_id, size=7, now=NOON)
    assert event == QuestionAsked(
        question_id=question.id,
        question="record",
        subject_id=None,
        record_id=record_id,
        query=None,
        first_entry=None,
        last_entry=None,
        size=7,
        asked_at=NOON,
    )


def test_of_entries_it_is_kept_which_were_read():
    (event,) = Question(uuid4()).ask("entries", subjects=[], entries=range(3, 8), size=9, now=NOON)
    assert (event.first_entry, event.last_entry, event.size) == (3, 7, 9)
