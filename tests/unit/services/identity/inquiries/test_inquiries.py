"""Given these events, when this command, then these events: inquiries, internal notes, and the form of visitors."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.inquiries.aggregate import (
    BETWEEN_LINKS,
    KINDS_OF_GUARD,
    LINK_LIFETIME,
    MOST_MESSAGES,
    MOST_UNANSWERED,
    REOPENED_WITHIN,
    Correspondent,
    Inquiry,
    Matter,
)
from services.identity.inquiries.forms import FILLED_IN_AT_LEAST, FORM_LIFETIME, form_token, sign_of_spam
from services.identity.inquiries.internal_notes.aggregate import InternalNote
from shared.contracts.fields import ERASED
from shared.contracts.identity import (
    InquiryAnswered,
    InquiryAssigned,
    InquiryChildReported,
    InquiryClosed,
    InquiryHandedOver,
    InquiryMessageReceived,
    InquiryOpened,
    InquiryReclassified,
    InquiryReopened,
    InternalNoteAdded,
)
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import GUARDS, INQUIRY_KINDS, INQUIRY_STATES, PRIVACY_REQUEST_TYPES
from shared.eventstore.aggregates import Aggregate
from shared.privacy.secrets import ServiceSecret
from tests.making import NOON

SECRET = ServiceSecret(b"s" * 32)
VISITOR = Correspondent(uuid4(), has_account=False, email="grace@example.org", name="Grace Hopper")
PERSON = Correspondent(uuid4(), has_account=True)
COLLEAGUE = uuid4()


def play(aggregate, events):
    happened = []
    for event in events:
        aggregate.apply(event)
        happened.append(event)
    return happened


def opened(by=VISITOR, kind="support", **changes) -> Inquiry:
    inquiry = Inquiry(uuid4())
    play(inquiry, opening(inquiry, by, kind, **changes))
    return inquiry


def opening(inquiry, by=VISITOR, kind="support", **changes):
    matter = Matter(kind, "It stays empty.", **changes)
    return inquiry.open(by, matter, message_id=uuid4(), request_id=uuid4(), now=NOON)


def reply(inquiry, now=NOON):
    return play(inquiry, inquiry.reply("Still empty.", message_id=uuid4(), now=now))


def answer(inquiry, to="grace@example.org", now=NOON):
    answering = inquiry.answer(
        "We have repaired it.", by=COLLEAGUE, to=to, message_id=uuid4(), request_id=uuid4(), now=now
    )
    return play(inquiry, answering)


def types(events):
    return [type(event) for event in events]


def test_a_visitor_is_sent_a_link_and_a_person_with_an_account_is_not():
    (by_visitor,) = play(inquiry := Inquiry(uuid4()), opening(inquiry))
    assert (by_visitor.email, by_visitor.expires_at) == ("grace@example.org", NOON + LINK_LIFETIME)
    assert inquiry.link is not None
    assert inquiry.link.id == by_visitor.request_id
    (by_person,) = play(inquiry := Inquiry(uuid4()), opening(inquiry, PERSON))
    assert (by_person.email, by_person.request_id, by_person.expires_at) == (None, None, None)
    assert answer(inquiry)[0].request_id is None
    assert inquiry.link is None


@pytest.mark.parametrize("kind", INQUIRY_KINDS)
def test_a_privacy_inquiry_is_handed_over_at_once_and_no_other(kind):
    happened = play(inquiry := Inquiry(uuid4()), opening(inquiry, kind=kind))
    assert types(happened) == [InquiryOpened, InquiryHandedOver][: 1 + (kind == "privacy")]


@pytest.mark.parametrize("request_type", PRIVACY_REQUEST_TYPES)
def test_what_a_privacy_inquiry_asks_for_is_told_and_the_report_of_a_child_marked(request_type):
    inquiry = Inquiry(uuid4())
    _, handed_over, *more = play(inquiry, opening(inquiry, PERSON, "privacy", request_type=request_type))
    assert (handed_over.request_type, handed_over.has_account) == (request_type, True)
    assert types(more) == ([InquiryChildReported] if request_type == "child_report" else [])
    assert inquiry.child_reported is (request_type == "child_report")


def test_only_a_privacy_inquiry_asks_for_something_of_that_kind():
    with pytest.raises(Problem, match="validation-failed"):
        list(opening(Inquiry(uuid4()), kind="sales", request_type="access"))


def test_an_answer_waits_for_the_person_and_a_reply_for_the_house():
    inquiry = opened()
    assert inquiry.state == "open"
    assert types(answer(inquiry)) == [InquiryAnswered]
    assert inquiry.state == "pending"
    assert types(reply(inquiry)) == [InquiryMessageReceived]
    assert inquiry.state == "open"


def test_a_reply_takes_a_closed_inquiry_up_again_for_a_while():
    inquiry = opened()
    assert types(play(inquiry, inquiry.close(now=NOON))) == [InquiryClosed]
    with pytest.raises(Problem, match="inquiry-closed"):
        reply(inquiry, now=NOON + REOPENED_WITHIN)
    happened = reply(inquiry, now=NOON + REOPENED_WITHIN - timedelta(seconds=1))
    assert types(happened) == [InquiryReopened, InquiryMessageReceived]
    assert (happened[0].how, inquiry.state) == ("by_person", "open")


def test_staff_answer_and_assign_only_what_is_not_closed_and_can_take_it_up_again():
    inquiry = opened()
    play(inquiry, inquiry.close(now=NOON))
    assert play(inquiry, inquiry.close(now=NOON)) == []
    for refused in (lambda: answer(inquiry), lambda: list(inquiry.assign(COLLEAGUE, now=NOON))):
        with pytest.raises(Problem, match="inquiry-closed"):
            refused()
    assert types(play(inquiry, inquiry.reopen(now=NOON))) == [InquiryReopened]
    assert play(inquiry, inquiry.reopen(now=NOON)) == []


def test_an_inquiry_is_assigned_to_one_colleague_or_none():
    inquiry = opened()
    assert types(play(inquiry, inquiry.assign(COLLEAGUE, now=NOON))) == [InquiryAssigned]
    assert play(inquiry, inquiry.assign(COLLEAGUE, now=NOON)) == []
    play(inquiry, inquiry.assign(None, now=NOON))
    assert inquiry.assigned_to is None


def test_what_turns_out_to_be_about_privacy_is_handed_over_once_and_given_back():
    inquiry = opened(PERSON)
    play(inquiry, inquiry.assign(COLLEAGUE, now=NOON))
    happened = play(inquiry, inquiry.reclassify("privacy", "child_report", now=NOON))
    assert types(happened) == [InquiryReclassified, InquiryAssigned, InquiryHandedOver, InquiryChildReported]
    assert (inquiry.kind, inquiry.assigned_to) == ("privacy", None)
    assert play(inquiry, inquiry.reclassify("privacy", None, now=NOON)) == []
    for kind in ("legal", "privacy"):
        assert types(play(inquiry, inquiry.reclassify(kind, None, now=NOON))) == [InquiryReclassified]
    with pytest.raises(Problem, match="validation-failed"):
        list(inquiry.reclassify("sales", "access", now=NOON))


def test_a_child_is_reported_once_and_again_when_it_is_known_who_it_is():
    inquiry, child = opened(), uuid4()
    assert types(play(inquiry, inquiry.report_child(None, now=NOON))) == [InquiryChildReported]
    assert play(inquiry, inquiry.report_child(None, now=NOON)) == []
    assert types(play(inquiry, inquiry.report_child(child, now=NOON))) == [InquiryChildReported]
    assert play(inquiry, inquiry.report_child(child, now=NOON)) == []
    assert inquiry.child == child


def test_a_link_is_renewed_after_a_moment_for_the_same_address():
    inquiry = opened()
    with pytest.raises(Problem, match="asked-too-soon"):
        list(inquiry.renew_link(uuid4(), now=NOON + BETWEEN_LINKS - timedelta(seconds=1)))
    (renewed,) = play(inquiry, inquiry.renew_link(uuid4(), now=NOON + BETWEEN_LINKS))
    assert (renewed.email, inquiry.link.id) == ("grace@example.org", renewed.request_id)


@pytest.mark.parametrize("address", [ERASED, None])
def test_nobody_is_answered_where_nobody_can_be_written_to(address):
    with pytest.raises(Problem, match="subject-erased"):
        answer(opened(), to=address)


@pytest.mark.parametrize("category", [None, "communications"])
def test_after_erasure_nothing_more_is_written_and_the_case_can_be_closed(category):
    inquiry = opened()
    play(inquiry, inquiry.erase_person(category, now=NOON))
    for write in (reply, answer):
        with pytest.raises(Problem, match="subject-erased"):
            write(inquiry)
    assert types(play(inquiry, inquiry.close(now=NOON))) == [InquiryClosed]


def test_an_erasure_of_something_else_leaves_the_words():
    inquiry = opened()
    play(inquiry, inquiry.erase_person("technical", now=NOON))
    assert types(reply(inquiry)) == [InquiryMessageReceived]


def test_a_person_is_erased_as_a_whole_once_also_after_a_part():
    inquiry = opened()
    for category, happened in (("communications", 1), (None, 1), (None, 0)):
        assert len(play(inquiry, inquiry.erase_person(category, now=NOON))) == happened


@pytest.mark.parametrize("guard", [*GUARDS, "visitor"])
@pytest.mark.parametrize("kind", INQUIRY_KINDS)
def test_a_guard_deals_with_its_kinds_and_all_others_are_not_there(guard, kind):
    inquiry = opened(kind=kind)
    if kind in KINDS_OF_GUARD.get(guard, ()):
        inquiry.must_concern(guard)
    else:
        with pytest.raises(Problem, match="not-found"):
            inquiry.must_concern(guard)


@pytest.mark.parametrize("guard", GUARDS)
def test_what_never_was_is_nobodys(guard):
    for asked in (lambda: Inquiry(uuid4()).must_concern(guard), lambda: Inquiry(uuid4()).must_be_of(uuid4())):
        with pytest.raises(Problem, match="not-found"):
            asked()


STEPS = ("reply", "answer", "assign", "reclassify", "close", "reopen", "report_child", "erase", "month")


@given(st.lists(st.sampled_from(STEPS), max_size=40), st.sampled_from([VISITOR, PERSON]))
def test_whatever_happens_the_actions_told_are_those_that_are_possible(steps, by):
    inquiry, now = opened(by), NOON

    def another_kind():
        return "support" if inquiry.kind == "privacy" else "privacy"

    commands = {
        "reply": lambda: reply(inquiry, now),
        "answer": lambda: answer(inquiry, now=now),
        "assign": lambda: play(inquiry, inquiry.assign(uuid4(), now=now)),
        "reclassify": lambda: play(inquiry, inquiry.reclassify(another_kind(), None, now=now)),
        "close": lambda: play(inquiry, inquiry.close(now=now)),
        "reopen": lambda: play(inquiry, inquiry.reopen(now=now)),
        "report_child": lambda: play(inquiry, inquiry.report_child(uuid4(), now=now)),
        "erase": lambda: play(inquiry, inquiry.erase_person(None, now=now)),
    }
    for step in steps:
        if step == "month":
            now += REOPENED_WITHIN
            continue
        told = [*inquiry.standing.actions_of_person(now), *inquiry.standing.actions_of_staff()]
        try:
            happened = bool(commands[step]())
        except Problem:
            happened = False
        assert step == "erase" or happened == (step in told), step
        assert inquiry.state in INQUIRY_STATES
        assert (inquiry.closed_at is not None) == (inquiry.state == "closed")
        assert 0 <= inquiry.unanswered <= min(MOST_UNANSWERED, inquiry.messages) <= MOST_MESSAGES


def test_a_thread_has_a_longest_length():
    inquiry = opened()
    while inquiry.messages < MOST_MESSAGES:
        answer(inquiry)
    for write in (reply, answer):
        with pytest.raises(Problem, match="too-many-messages"):
            write(inquiry)


def test_an_internal_note_is_of_another_stream_that_no_inquiry_can_take_in():
    inquiry, note = opened(), InternalNote(uuid4())
    assert inquiry.person_id is not None
    (added,) = play(note, note.add(inquiry.id, inquiry.person_id, "Third report.", by=COLLEAGUE, now=NOON))
    assert isinstance(added, InternalNoteAdded)
    assert note.stream.startswith("internalnote-")
    with pytest.raises(KeyError):
        inquiry.apply(added)
    takers = [kind for kind in Aggregate.__subclasses__() if InternalNoteAdded in kind._evolutions]
    assert takers == [InternalNote]


def test_a_form_that_was_filled_in_by_a_person_shows_no_sign():
    token = form_token(SECRET, NOON)
    for later in (FILLED_IN_AT_LEAST, timedelta(hours=1), FORM_LIFETIME):
        assert sign_of_spam(SECRET, token, "", NOON + later) is None


def test_machines_give_themselves_away():
    token = form_token(SECRET, NOON)
    later = NOON + timedelta(minutes=1)
    assert sign_of_spam(SECRET, token, "https://spam.example", later) == "honeypot_filled"
    assert sign_of_spam(SECRET, token, "", NOON + timedelta(seconds=1)) == "filled_too_fast"
    others = form_token(ServiceSecret(b"o" * 32), NOON)
    backdated = f"{int(NOON.timestamp()) - 60}.{token.partition('.')[2]}"
    for forged in ("", "1.2", others, backdated, token + "x", token.replace(".", "")):
        assert sign_of_spam(SECRET, forged, "", later) == "form_forged", forged


def test_a_form_of_ours_that_was_open_too_long_is_told_and_not_taken_for_spam():
    with pytest.raises(Problem, match="form-expired"):
        sign_of_spam(SECRET, form_token(SECRET, NOON), "", NOON + FORM_LIFETIME + timedelta(seconds=1))


def test_an_inquiry_belongs_to_its_person():
    inquiry = opened(PERSON)
    inquiry.must_be_of(PERSON.person_id)
    for other in (VISITOR.person_id, UUID(int=0)):
        with pytest.raises(Problem, match="not-found"):
            inquiry.must_be_of(other)
