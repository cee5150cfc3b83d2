"""Inquiries over a real database: who can read and write what, by link and by guard, and what stays after erasure."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.identity.access.evenly import evenly
from services.identity.access.throttles import INQUIRIES_OF_ONE_ADDRESS, INQUIRIES_OF_ONE_NETWORK
from services.identity.accounts.links import INQUIRY_THREAD
from services.identity.inquiries.aggregate import LINK_LIFETIME, MOST_UNANSWERED, Inquiry
from services.identity.inquiries.forms import FILLED_IN_AT_LEAST, FORM_LIFETIME, form_token
from services.identity.inquiries.methods import inquiries as operations
from services.identity.inquiries.methods.inquiries import UNSETTLED
from shared.contracts.categories import Category
from shared.privacy.keyring import Custodian
from tests.component.services.identity.conftest import SECRET, refusal
from tests.making import email

WORDS = "The page with my proposals stays empty.\nWhat can I do?"
SECRET_NOTE = "Seems to be the third report of the same fault."


@pytest.fixture(autouse=True)
def moments(monkeypatch, clock):
    """The clock of the store is that of the operations, and answers do not wait for each other to be even."""
    monkeypatch.setattr(operations, "now", clock)
    monkeypatch.setattr(operations, "evenly", lambda: evenly(sleep=lambda seconds: None))


@pytest.fixture
def write_in(ask, clock):
    """Somebody without an account writes in, and the inquiry that comes of it, if one does."""

    def write(**changes):
        form = form_token(SECRET, clock() - FILLED_IN_AT_LEAST)
        given = {"form_token": form, "website": "", "kind": "support", "email": email(), "text": WORDS} | changes
        before = {row.inquiry_id for row in ask.rows("SELECT inquiry_id FROM inquiries")}
        assert ask("receive_inquiry", **given) == {}
        made = [each.inquiry_id for each in ask.rows("SELECT inquiry_id FROM inquiries")]
        (new,) = [each for each in made if each not in before] or [None]
        return new

    return write


@pytest.fixture
def colleague(ask):
    return ask.member("staff")


@pytest.fixture
def officer(ask):
    return ask.member("compliance")


def loaded(ask, inquiry_id):
    return ask.app.store.load(Inquiry, UUID(str(inquiry_id)))


def link_of(ask, inquiry_id):
    return ask.link(INQUIRY_THREAD, loaded(ask, inquiry_id).link)


def opened_by(ask, person, **changes):
    return ask("open_own_inquiry", person.actor, **{"kind": "support", "text": WORDS} | changes)["inquiry_id"]


def at_desk(ask, operation, colleague, inquiry_id, **arguments):
    return ask(operation, colleague.actor, inquiry_id=str(inquiry_id), **arguments)


def listed(ask, colleague, **filters):
    asked = {"kind": None, "state": None, "assigned_to": None, "cursor": None, "limit": 50} | filters
    return ask("list_inquiries", colleague.actor, **asked)


def test_a_visitor_reads_and_answers_by_link_and_following_it_uses_nothing_up(ask, write_in, colleague):
    inquiry_id = write_in(name="Grace Hopper")
    token = link_of(ask, inquiry_id)
    threads = [ask("read_inquiry_thread", token=token) for _ in range(3)]
    assert threads[0] == threads[1] == threads[2]
    assert [message["text"] for message in threads[0]["correspondence"]] == [WORDS]
    ask("reply_by_link", token=token, text="It works again.")
    thread = at_desk(ask, "read_inquiry", colleague, inquiry_id)
    assert [message["text"] for message in thread["correspondence"]] == [WORDS, "It works again."]
    assert (thread["name"], thread["has_account"], thread["state"]) == ("Grace Hopper", False, "open")


def test_an_answer_brings_another_link_and_ends_the_one_before(ask, clock, write_in, colleague):
    inquiry_id = write_in()
    first = link_of(ask, inquiry_id)
    clock.pass_time(timedelta(days=1))
    answered = at_desk(ask, "answer_inquiry", colleague, inquiry_id, text="We have repaired it.")
    assert (answered["state"], "answer" in answered["actions"]) == ("pending", True)
    for operation, more in (("read_inquiry_thread", {}), ("reply_by_link", {"text": "Thanks"})):
        assert refusal(lambda op=operation, more=more: ask(op, token=first, **more)) == "link-invalid"
    second = link_of(ask, inquiry_id)
    said = ask("read_inquiry_thread", token=second)["correspondence"]
    assert [(each["author"], each["text"]) for each in said] == [("person", WORDS), ("staff", "We have repaired it.")]
    assert str(colleague.id) not in str(said)


def test_a_link_expires_and_whoever_has_it_is_sent_another_one(ask, clock, write_in):
    inquiry_id = write_in()
    token = link_of(ask, inquiry_id)
    assert refusal(lambda: ask("renew_inquiry_link", token=token)) == "asked-too-soon"
    clock.pass_time(LINK_LIFETIME)
    assert refusal(lambda: ask("read_inquiry_thread", token=token)) == "link-invalid"
    assert ask("renew_inquiry_link", token=token) == {}
    assert refusal(lambda: ask("renew_inquiry_link", token=token)) == "link-invalid"
    assert ask("read_inquiry_thread", token=link_of(ask, inquiry_id))["inquiry_id"] == str(inquiry_id)


def test_no_token_and_no_word_is_kept_in_the_clear(ask, write_in, colleague):
    inquiry_id = write_in(email="grace@example.org", name="Grace Hopper", troubleshooting={"page": "/proposals"})
    at_desk(ask, "add_internal_note", colleague, inquiry_id, text=SECRET_NOTE)
    kept = [
        str(ask.rows(f"SELECT * FROM {table}"))
        for table in ("inquiries", "inquiry_messages", "inquiry_links", "internal_notes", "events", "commands")
    ]
    said = ("grace@example.org", "Grace Hopper", "/proposals", "proposals stays", "third report")
    for words in (link_of(ask, inquiry_id), *said):
        assert not any(words in rows for rows in kept), words


@pytest.mark.parametrize(
    ("sign", "changes"),
    [
        ("honeypot_filled", lambda now: {"website": "https://spam.example"}),
        ("filled_too_fast", lambda now: {"form_token": form_token(SECRET, now)}),
        ("form_forged", lambda now: {"form_token": f"{int(now.timestamp()) - 60}.{'f' * 43}"}),
    ],
)
def test_spam_is_answered_like_an_inquiry_and_counted_without_content(ask, clock, write_in, officer, sign, changes):
    assert write_in(**changes(clock())) is None
    assert write_in(**changes(clock())) is None
    signals = ask("list_signals", officer.actor, kind="inquiry_spam_suspected", cursor=None, limit=10)["items"]
    assert [(each["detail"], each["account_id"]) for each in signals] == [(sign, None)]
    clock.pass_time(timedelta(hours=1, seconds=1))
    assert write_in(**changes(clock())) is None
    assert len(ask.rows("SELECT FROM security_signals WHERE kind = 'inquiry_spam_suspected'")) == 2


def test_a_form_that_was_open_for_too_long_is_told_to_the_person(ask, clock, write_in):
    old = form_token(SECRET, clock() - FORM_LIFETIME - timedelta(seconds=2))
    assert refusal(lambda: write_in(form_token=old)) == "form-expired"


def test_one_address_and_one_network_can_write_in_so_often(ask, clock, write_in):
    address = email()
    for _ in range(INQUIRIES_OF_ONE_ADDRESS.free):
        write_in(email=address)
    assert refusal(lambda: write_in(email=address.upper())) == "rate-limited"
    assert refusal(lambda: write_in(email=address.replace("@", "+more@"))) == "rate-limited"
    for _ in range(INQUIRIES_OF_ONE_NETWORK.free - INQUIRIES_OF_ONE_ADDRESS.free):
        write_in()
    assert refusal(write_in) == "rate-limited"
    clock.pass_time(INQUIRIES_OF_ONE_NETWORK.shortest)
    assert write_in() is not None


def test_an_inquiry_of_somebody_else_is_not_there(ask, person, colleague):
    inquiry_id = opened_by(ask, person)
    other = ask.person()
    for id in (inquiry_id, str(uuid4())):
        for operation, more in (("read_own_inquiry", {}), ("reply_in_own_inquiry", {"text": WORDS})):
            asking = lambda op=operation, id=id, more=more: ask(op, other.actor, inquiry_id=id, **more)  # noqa: E731
            assert refusal(asking) == "not-found"
    assert ask("list_own_inquiries", other.actor, cursor=None, limit=10)["items"] == []


def test_who_registers_with_the_address_of_a_visitor_is_not_shown_what_the_visitor_wrote(ask, write_in):
    address = email()
    inquiry_id = write_in(email=address)
    person = ask.person(email=address)
    assert ask("list_own_inquiries", person.actor, cursor=None, limit=10)["items"] == []
    assert refusal(lambda: ask("read_own_inquiry", person.actor, inquiry_id=str(inquiry_id))) == "not-found"


def test_compliance_deals_with_law_and_privacy_and_sees_nothing_else(ask, person, officer, colleague):
    support, privacy = opened_by(ask, person), opened_by(ask, person, kind="privacy", request_type="access")
    assert [each["inquiry_id"] for each in listed(ask, officer)["items"]] == [privacy]
    assert listed(ask, officer, kind="support")["items"] == []
    assert {each["inquiry_id"] for each in listed(ask, colleague)["items"]} == {support, privacy}
    assert at_desk(ask, "read_inquiry", officer, privacy)["request_type"] == "access"
    for operation, more in (
        ("read_inquiry", {}),
        ("answer_inquiry", {"text": WORDS}),
        ("assign_inquiry", {"assigned_to": str(officer.id)}),
        ("unassign_inquiry", {}),
        ("reclassify_inquiry", {"kind": "privacy"}),
        ("close_inquiry", {}),
        ("reopen_inquiry", {}),
        ("report_child", {}),
        ("add_internal_note", {"text": WORDS}),
        ("list_internal_notes", {}),
    ):
        for who, id in ((officer, support), (colleague, str(uuid4())), (person, support)):
            asking = lambda op=operation, who=who, id=id, more=more: at_desk(ask, op, who, id, **more)  # noqa: E731
            assert refusal(asking) == "not-found", operation


def test_what_turns_out_to_be_about_privacy_comes_to_compliance(ask, person, officer, colleague):
    inquiry_id = opened_by(ask, person)
    at_desk(ask, "assign_inquiry", colleague, inquiry_id, assigned_to=str(colleague.id))
    at_desk(ask, "reclassify_inquiry", colleague, inquiry_id, kind="privacy", request_type="deletion")
    (found,) = listed(ask, officer)["items"]
    assert (found["inquiry_id"], found["request_type"], found["assigned_to"]) == (inquiry_id, "deletion", None)
    at_desk(ask, "reclassify_inquiry", officer, inquiry_id, kind="support")
    assert listed(ask, officer)["items"] == []


def test_an_inquiry_is_assigned_to_who_deals_with_its_kind(ask, person, officer, colleague):
    support, privacy = opened_by(ask, person), opened_by(ask, person, kind="privacy")
    for nobody in (person.id, officer.id, uuid4()):
        asking = lambda who=nobody: at_desk(ask, "assign_inquiry", colleague, support, assigned_to=str(who))  # noqa: E731
        assert refusal(asking) == "assignee-refused"
    at_desk(ask, "assign_inquiry", colleague, privacy, assigned_to=str(officer.id))
    assert [each["inquiry_id"] for each in listed(ask, colleague, assigned_to=str(officer.id))["items"]] == [privacy]
    at_desk(ask, "unassign_inquiry", officer, privacy)
    assert listed(ask, colleague, assigned_to=str(officer.id))["items"] == []


def test_the_report_of_a_child_comes_first_until_it_is_closed_on_every_page(ask, person, colleague):
    report = opened_by(ask, person, kind="privacy", request_type="child_report")
    others = [opened_by(ask, person) for _ in range(3)]
    pages, cursor = [], None
    while True:
        page = listed(ask, colleague, cursor=cursor, limit=2)
        pages += [each["inquiry_id"] for each in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == [report, *reversed(others)]
    at_desk(ask, "close_inquiry", colleague, report)
    assert [each["inquiry_id"] for each in listed(ask, colleague)["items"]] == [*reversed(others), report]
    assert listed(ask, colleague, state="closed")["items"][0]["child_reported"] is True


def test_staff_say_whose_account_a_child_has(ask, person, colleague):
    inquiry_id = opened_by(ask, person)
    assert refusal(lambda: at_desk(ask, "report_child", colleague, inquiry_id, account_id=str(uuid4()))) == "not-found"
    child = ask.person()
    at_desk(ask, "report_child", colleague, inquiry_id)
    at_desk(ask, "report_child", colleague, inquiry_id, account_id=str(child.id))
    (found,) = listed(ask, colleague)["items"]
    assert (found["child_reported"], found["child"]) == (True, str(child.id))


def test_a_privacy_inquiry_begins_a_privacy_request_in_the_same_transaction(ask, write_in):
    write_in(kind="privacy", request_type="child_report")
    rows = ask.rows("SELECT body FROM events WHERE stream LIKE 'inquiry-%' ORDER BY stream, version")
    types = [bytes(row.body).split(b'"type":"okacrm.identity.')[1].split(b'"')[0].decode() for row in rows]
    assert types == ["inquiry_opened", "inquiry_handed_over", "inquiry_child_reported"]


def test_internal_notes_are_for_the_house_and_nobody_else_can_even_read_their_table(
    ask, databases, write_in, person, colleague
):
    """What outsiders ask is done by a role that may not read the table, and still all of it works."""
    by_visitor, own = write_in(), opened_by(ask, person)
    for inquiry_id in (by_visitor, own):
        at_desk(ask, "add_internal_note", colleague, inquiry_id, text=SECRET_NOTE)
        at_desk(ask, "answer_inquiry", colleague, inquiry_id, text="We are looking into it.")
    (note,) = at_desk(ask, "list_internal_notes", colleague, own)["items"]
    assert (note["text"], note["written_by"]) == (SECRET_NOTE, str(colleague.id))
    role = ask.rows("SELECT current_user AS role")[0].role
    with databases.engine("identity", "owner").begin() as connection:
        connection.execute(text(f"REVOKE SELECT ON internal_notes FROM {role}"))
    token = link_of(ask, by_visitor)
    told = [
        write_in(),
        ask("read_inquiry_thread", token=token),
        ask("reply_by_link", token=token, text="Thanks"),
        opened_by(ask, person),
        ask("list_own_inquiries", person.actor, cursor=None, limit=10),
        ask("read_own_inquiry", person.actor, inquiry_id=own),
        ask("reply_in_own_inquiry", person.actor, inquiry_id=own, text="Thanks"),
    ]
    assert SECRET_NOTE not in str(told)
    assert note["note_id"] not in str(told)
    assert refusal(lambda: at_desk(ask, "list_internal_notes", colleague, own)) == "internal"


def test_too_much_is_refused_with_what_to_do(ask, person):
    inquiry_id = opened_by(ask, person)
    for _ in range(MOST_UNANSWERED - 1):
        last = ask("reply_in_own_inquiry", person.actor, inquiry_id=inquiry_id, text=WORDS)
    assert last["actions"] == ask("read_own_inquiry", person.actor, inquiry_id=inquiry_id)["actions"] == []
    asking = lambda: ask("reply_in_own_inquiry", person.actor, inquiry_id=inquiry_id, text=WORDS)  # noqa: E731
    assert refusal(asking) == "too-many-messages"
    for _ in range(UNSETTLED.most - 1):
        opened_by(ask, person)
    assert refusal(lambda: opened_by(ask, person)) == "too-many-inquiries"


@pytest.mark.parametrize("category", [None, Category.COMMUNICATIONS])
def test_after_erasure_the_case_stays_and_no_word_of_it(ask, databases, write_in, colleague, person, category):
    """A visitor is erased by their subject id as a person with an account is by theirs."""
    by_visitor, own = write_in(name="Grace Hopper"), UUID(opened_by(ask, person))
    token = link_of(ask, by_visitor)
    for inquiry_id in (by_visitor, own):
        at_desk(ask, "add_internal_note", colleague, inquiry_id, text=SECRET_NOTE)
    custodian = Custodian(databases.engine("keyring", "custodian"))
    ask.app.store.keyring = databases.keyring(cache_seconds=0)
    for inquiry_id in (by_visitor, own):
        subject = str(loaded(ask, inquiry_id).person_id)
        ask.operator("find_account", account_id=subject)
        custodian.destroy(UUID(subject), category=category, now=ask.clock())
        operation, more = ("erase_category", {"category": category}) if category else ("erase_account", {})
        ask.operator(operation, account_id=subject, **more)
        thread = at_desk(ask, "read_inquiry", colleague, inquiry_id)
        assert [message["text"] for message in thread["correspondence"]] == [None]
        assert (thread["erased"], thread["state"], thread["kind"]) == (True, "open", "support")
        (note,) = at_desk(ask, "list_internal_notes", colleague, inquiry_id)["items"]
        assert note["text"] is None
        assert set(thread["actions"]) == {"assign", "reclassify", "close", "report_child"}
        answering = lambda id=inquiry_id: at_desk(ask, "answer_inquiry", colleague, id, text="Hello?")  # noqa: E731
        assert refusal(answering) == "subject-erased"
        at_desk(ask, "close_inquiry", colleague, inquiry_id)
        assert ask.rows("SELECT FROM erasures WHERE subject = :subject", subject=subject)
    assert refusal(lambda: ask("read_inquiry_thread", token=token)) == "link-invalid"


def test_of_an_erased_visitor_no_row_is_left_by_which_to_recognise_them(ask, databases, write_in):
    address = email()
    inquiry_id, index = write_in(email=address), SECRET.mailbox_index(address)
    visitor = loaded(ask, inquiry_id).person_id
    with databases.engine("identity").begin() as connection:
        connection.execute(
            text("""
                INSERT INTO mails (event_id, template, recipient, account_id, state)
                VALUES (:event_id, 'inquiry_received', :recipient, :visitor, 'sent')
            """),
            {"event_id": uuid4(), "recipient": index, "visitor": visitor},
        )

    def recognising():
        return ask.rows(
            """
            SELECT FROM mails WHERE recipient = :index
            UNION ALL SELECT FROM throttles WHERE email_index = :index
            UNION ALL SELECT FROM inquiry_links WHERE inquiry_id = :inquiry_id
            """,
            index=index,
            inquiry_id=inquiry_id,
        )

    assert len(recognising()) == 3
    ask.operator("erase_account", account_id=str(visitor))
    assert recognising() == []


def test_nobody_is_erased_who_never_was(ask):
    for operation in ("find_account", "erase_account"):
        assert refusal(lambda op=operation: ask.operator(op, account_id=str(uuid4()))) == "account-not-found"
