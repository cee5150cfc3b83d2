"""Following a feed over HTTP: what is there at once, what comes in a moment, and who has to go meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from gateway import following
from gateway.application import Application
from gateway.routes.audit.feeds import EXAMPLE_CURSOR
from gateway.sessions import token_hash
from shared.contracts.vocabulary import TEAM
from tests.making import eventually
from tests.unit.gateway.playing import TOKENS, Browser, Services, bearer, code_of

EVENT = '{"data":{"purpose":"product_news"},"id":"019abf2e-5c1d-7a40-9c52-7d1f0a3b6e11","n":1.0,"feedposition":1}'


class Feed:
    """A feed that grows when a test says so, and who asked it for what."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.heads_asked = 0
        self.pages_asked = 0

    def answer(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments["limit"] == 0:
            self.heads_asked += 1
        else:
            self.pages_asked += 1
        behind = int(arguments["after"].split(".")[1]) if arguments["after"] else 0
        entries = self.events[behind : behind + arguments["limit"]]
        position = behind + len(entries)
        cursor = EXAMPLE_CURSOR.replace(".17.", f".{position}.") if position else None
        return {"entries": entries, "position": position, "next_cursor": cursor, "head": len(self.events)}


@pytest.fixture
def feed(services: Services, monkeypatch: pytest.MonkeyPatch) -> Feed:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.01)
    feed = Feed()
    services.answers["identity.follow_feed"] = feed.answer
    services.sessions[token_hash(TOKENS[TEAM])]["scopes"] = ["feed:identity"]
    return feed


@pytest.fixture
def follow(ask: Browser) -> Callable[..., TestResponse]:
    def get(**query: Any) -> TestResponse:
        return ask("GET", "/v1/feeds/identity", query_string=query, headers=bearer(TEAM))

    return get


@pytest.fixture
def waiting(follow: Callable[..., TestResponse], feed: Feed) -> Iterator[Callable[[], list[TestResponse]]]:
    """A reader who waits for an event; the function waits until it has its answer."""
    answers: list[TestResponse] = []
    reader = threading.Thread(target=lambda: answers.append(follow(wait=25)))
    reader.start()
    eventually(lambda: feed.heads_asked)

    def answered() -> list[TestResponse]:
        reader.join(20)
        return answers

    yield answered
    reader.join(30)


def test_a_page_holds_the_very_bytes_that_were_published(feed, follow):
    feed.events = [EVENT, EVENT]
    assert (
        follow().text
        == f'{{"items":[{EVENT},{EVENT}],"next_cursor":"{EXAMPLE_CURSOR.replace(".17.", ".2.")}","head":2}}'
    )


def test_who_does_not_wait_is_told_at_once_that_there_is_nothing(feed, follow):
    assert follow().json == {"items": [], "next_cursor": None, "head": 0}
    assert (feed.pages_asked, feed.heads_asked) == (1, 0)


def test_who_waits_for_what_is_there_does_not_wait(feed, follow):
    feed.events = [EVENT]
    assert len(follow(wait=25).json["items"]) == 1
    assert feed.heads_asked == 0


def test_who_waits_is_answered_when_something_comes(feed, waiting):
    feed.events.append(EVENT)
    (answer,) = waiting()
    assert answer.json["items"] == [json.loads(EVENT)]


def test_who_waits_in_vain_keeps_the_cursor(feed, follow):
    feed.events = [EVENT]
    cursor = follow().json["next_cursor"]
    assert follow(after=cursor, wait=1).json == {"items": [], "next_cursor": cursor, "head": 1}


def test_a_token_that_was_revoked_meanwhile_gets_nothing_more(services, feed, waiting, monkeypatch):
    monkeypatch.setattr("gateway.sessions.KEPT_SECONDS", 0)
    services.refuse("identity.resolve_session", "not-signed-in")
    feed.events.append(EVENT)
    (answer,) = waiting()
    assert (answer.status_code, code_of(answer)) == (401, "not-signed-in")


def test_nobody_waits_for_what_comes_once_the_process_is_to_end(application: Application, waiting):
    application.close()
    (answer,) = waiting()
    assert answer.json["items"] == []


@pytest.mark.parametrize("bound", ["MOST_WAITING", "MOST_WAITING_PER_TOKEN"])
def test_one_reader_too_many_is_told_to_come_later(feed, follow, waiting, monkeypatch, bound):
    monkeypatch.setattr(following, bound, 1)
    answer = follow(wait=25)
    assert (answer.status_code, code_of(answer)) == (429, "too-many-readers")
    assert int(answer.headers["Retry-After"]) > 0
    assert follow().status_code == 200
    feed.events.append(EVENT)
    waiting()
    assert follow(after=EXAMPLE_CURSOR.replace(".17.", ".1."), wait=1).status_code == 200


def test_however_many_wait_the_head_of_a_feed_is_asked_for_once():
    head, asked, answering = following.FeedHead(), [], threading.Event()

    def ask() -> int:
        asked.append(1)
        answering.wait(20)
        return 7

    first = threading.Thread(target=head.position, args=[ask])
    first.start()
    eventually(lambda: asked)
    assert [head.position(ask) for _ in range(100)] == [0] * 100
    answering.set()
    first.join(20)
    assert head.position(lambda: 8) in (7, 8)
    assert len(asked) == 1


def test_a_head_that_could_not_be_asked_for_is_asked_for_again(monkeypatch):
    monkeypatch.setattr(following, "LOOK_SECONDS", 0)
    head = following.FeedHead()
    with pytest.raises(ZeroDivisionError):
        head.position(lambda: 1 // 0)
    assert head.position(lambda: 3) == 3


@pytest.mark.parametrize(
    "query",
    [
        {"after": "17"},
        {"after": "1.17"},
        {"after": EXAMPLE_CURSOR.replace(".17.", ".0.")},
        {"after": f"{EXAMPLE_CURSOR}0"},
        {"after": f"9999999999{EXAMPLE_CURSOR}"},
        {"limit": 0},
        {"limit": 501},
        {"wait": 26},
        {"wait": "1.5"},
    ],
)
def test_what_is_no_question_is_refused(feed, follow, query):
    answer = follow(**query)
    assert (answer.status_code, code_of(answer)) == (422, "validation-failed")
    assert feed.pages_asked == 0


def test_a_feed_of_another_publisher_takes_another_scope(feed, ask):
    answer = ask("GET", "/v1/feeds/audit", headers=bearer(TEAM))
    assert (answer.status_code, code_of(answer)) == (403, "scope-missing")


def test_a_feed_of_nobody_is_not_there(ask):
    assert ask("GET", "/v1/feeds/billing", headers=bearer(TEAM)).status_code == 404


def test_what_a_team_is_refused_is_no_signal_about_a_person(services, ask, feed):
    for path in ("/v1/feeds/audit", "/v1/me", "/v1/audit/records"):
        assert ask("GET", path, headers=bearer(TEAM)).status_code == 403
    assert services.to("identity.report_refusal") == []
