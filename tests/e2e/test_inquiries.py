"""Inquiries over HTTP: a visitor by the link in their mail, a person with an account, and those who answer them."""

from __future__ import annotations

import json
import urllib.request
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from services.identity.inquiries.forms import form_token
from shared.privacy.secrets import ServiceSecret
from shared.runtime import clock
from shared.runtime.config import Settings
from tests.e2e.conftest import Browser
from tests.e2e.test_throttling import browser_at
from tests.making import email, eventually

WORDS = "You hold data of my daughter, who is nine.\nPlease delete it."
NOTE = "Call the mother back before anything is deleted."


@pytest.fixture(scope="module")
def colleague(somebody) -> Browser:
    return somebody("staff")


@pytest.fixture
def visitor(platform) -> Browser:
    """Somebody in a network of their own, so that nobody else's inquiries count against it."""
    return browser_at(platform, "127.0.77.1")


@pytest.fixture
def form(platform):
    """What a visitor sends who has taken their time."""

    def fill_in(**changes):
        secret = ServiceSecret(Settings(platform.environment("service identity")).service_secret)
        token = form_token(secret, clock.now() - timedelta(minutes=1))
        return {"kind": "support", "email": email(), "text": WORDS, "form_token": token, "website": ""} | changes

    return fill_in


@pytest.fixture
def mails_to(platform):
    """What has come for an address."""

    def read(address):
        with urllib.request.urlopen(platform.description.mail_page + "/mails", timeout=10) as answer:
            return [mail for mail in json.loads(answer.read()) if mail["to"] == address]

    return read


def token_in(mail) -> str:
    (link,) = [line for line in mail["text"].splitlines() if "token=" in line]
    assert urlsplit(link).path == "/inquiry"
    (token,) = parse_qs(urlsplit(link).query)["token"]
    return token


def test_a_visitor_is_answered_by_mail_and_no_outsider_sees_what_the_house_notes(
    visitor, colleague, officer, form, mails_to, okacrm
):
    sent = form(kind="privacy", request_type="child_report", name="Grace Hopper")
    assert visitor.done("POST", "/inquiries", sent) == {}
    (received,) = eventually(lambda: mails_to(sent["email"]))
    assert WORDS.splitlines()[0] not in received["text"]
    first = token_in(received)
    thread = visitor.get("/inquiry-thread", token=first)
    assert (thread["state"], thread["actions"]) == ("open", ["reply"])
    desk = f"/staff/inquiries/{thread['inquiry_id']}"

    listed = colleague.get("/staff/inquiries", kind="privacy")["items"]
    assert (listed[0]["inquiry_id"], listed[0]["child_reported"]) == (thread["inquiry_id"], True)
    officer.done("PUT", f"{desk}/assignee", {"assigned_to": officer.account_id})
    colleague.done("POST", f"{desk}/notes", {"text": NOTE})
    colleague.done("POST", f"{desk}/answers", {"text": "We have closed the account <at once>."})
    assert [note["text"] for note in officer.get(f"{desk}/notes")["items"]] == [NOTE]

    answered, _ = eventually(lambda: len(found := mails_to(sent["email"])) == 2 and found)
    assert "We have closed the account <at once>." in answered["text"]
    assert "We have closed the account &lt;at once&gt;." in answered["html"]
    assert visitor.problem(410, "GET", "/inquiry-thread", params={"token": first})["code"] == "link-invalid"
    second = token_in(answered)
    visitor.done("POST", "/inquiry-thread/messages", {"token": second, "text": "Thank you."})
    thread = visitor.get("/inquiry-thread", token=second)
    assert [each["author"] for each in thread["correspondence"]] == ["person", "staff", "person"]
    closed = colleague.done("PUT", f"{desk}/closure")
    assert (closed["state"], "reopen" in closed["actions"]) == ("closed", True)
    assert NOTE not in json.dumps([thread, received, answered])

    def recorded():
        found = officer.get("/audit/records", q=f"subject:{listed[0]['person_id']} publisher:identity")["items"]
        types = [each["type"].removeprefix("okacrm.identity.") for each in found]
        return "inquiry_closed" in types and types

    assert set(eventually(recorded)) == {
        "inquiry_opened",
        "inquiry_handed_over",
        "inquiry_child_reported",
        "inquiry_assigned",
        "internal_note_added",
        "inquiry_answered",
        "notice_sent",
        "inquiry_message_received",
        "inquiry_closed",
    }

    erased = okacrm("keys", "destroy", listed[0]["person_id"], "--yes")
    assert erased.returncode == 0, erased.stderr
    assert visitor.problem(410, "GET", "/inquiry-thread", params={"token": second})["code"] == "link-invalid"
    case = colleague.get(desk)
    assert (case["erased"], case["state"], case["request_type"]) == (True, "closed", "child_report")


def test_a_person_with_an_account_reads_the_answer_there_and_in_a_mail_that_opens_nothing(
    influencer, colleague, mails_to
):
    inquiry = {"kind": "support", "text": "What does it cost?", "troubleshooting": {"page": "/prices"}}
    opened = influencer.done("POST", "/me/inquiries", inquiry)
    path = f"/me/inquiries/{opened['inquiry_id']}"
    colleague.done("POST", f"/staff{path.removeprefix('/me')}/answers", {"text": "Nothing, as yet."})
    told = colleague.get(f"/staff{path.removeprefix('/me')}")
    assert (told["email"], told["troubleshooting"]) == (influencer.email, {"page": "/prices"})
    thread = influencer.get(path)
    assert [each["text"] for each in thread["correspondence"]] == ["What does it cost?", "Nothing, as yet."]
    assert thread["state"] == "pending"
    (mail,) = eventually(lambda: [each for each in mails_to(influencer.email) if "Nothing, as yet." in each["text"]])
    assert "token=" not in mail["text"] + mail["html"]
    assert influencer.done("POST", f"{path}/messages", {"text": "Good."})["actions"] == ["reply"]
    (listed,) = influencer.get("/me/inquiries")["items"]
    assert (listed["inquiry_id"], listed["state"], listed["messages"]) == (opened["inquiry_id"], "open", 3)


def test_spam_cannot_tell_that_it_was_dropped(visitor, form, mails_to):
    handed_out = visitor.get("/inquiry-form")["form_token"]
    sent = [form(), form(website="https://spam.example"), form(form_token=handed_out), form(form_token="f" * 43)]
    answers = [visitor.request("POST", "/inquiries", each, headers={"X-Request-Id": "the-same"}) for each in sent]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, b"{}")}
    assert len({frozenset(answer.headers) for answer in answers}) == 1
    eventually(lambda: mails_to(sent[0]["email"]))
    assert [mails_to(each["email"]) for each in sent[1:]] == [[], [], []]
