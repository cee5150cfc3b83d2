"""Following a feed over HTTP: nothing is lost or doubled, and nobody follows who may not."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.conftest import Browser
from tests.making import eventually

Okacrm = Callable[..., subprocess.CompletedProcess[str]]


class Team(Browser):
    """The program of an internal team, with its cursor."""

    def __init__(self, base_url: str, token_id: str, token: str) -> None:
        super().__init__(base_url)
        self.token_id, self.token = token_id, token
        self.http.headers["Authorization"] = f"Bearer {token}"
        self.cursor: str | None = None

    def follow(self, feed: str = "identity", **query: Any) -> list[dict[str, Any]]:
        """The next page behind the cursor, which moves."""
        page = self.get(f"/feeds/{feed}", after=self.cursor, **query)
        self.cursor = page["next_cursor"]
        return page["items"]

    def catch_up(self) -> list[dict[str, Any]]:
        return [event for page in iter(lambda: self.follow(limit=500), []) for event in page]


@pytest.fixture(scope="module")
def hire(platform, okacrm: Okacrm) -> Callable[..., Team]:
    def make(feeds: str = "identity") -> Team:
        made = okacrm("service-tokens", "create", "data-platform", "--feeds", feeds)
        assert made.returncode == 0, made.stderr
        *_, told, token = made.stdout.splitlines()
        return Team(platform.base_url, told.split()[2], token)

    return make


@pytest.fixture(scope="module")
def team(hire) -> Team:
    return hire()


def test_a_team_follows_while_things_happen_and_goes_on_after_a_pause(team, influencer):
    team.catch_up()
    followed: list[dict[str, Any]] = []
    last = {"name": "Grace Hopper"}

    def follow() -> None:
        while not any(event["type"].endswith(".account_profile_changed") for event in followed):
            followed.extend(team.follow(limit=2, wait=20))

    following = threading.Thread(target=follow)
    following.start()
    for _ in range(5):
        influencer.done("PUT", "/me/consents/product_news")
        influencer.done("DELETE", "/me/consents/product_news")
    influencer.done("PATCH", "/me", last)
    following.join(30)
    influencer.done("DELETE", "/session")
    followed += eventually(lambda: [*team.catch_up()])

    positions = [event["feedposition"] for event in followed]
    assert positions == list(range(positions[0], positions[0] + len(positions)))
    for before, event in pairwise(followed):
        assert event["feedprevious"] == before["id"]
    theirs = [
        event["type"].rpartition(".")[2] for event in followed if influencer.account_id in event.get("datasubjects", "")
    ]
    assert theirs[-12:] == [*["consent_granted", "consent_withdrawn"] * 5, "account_profile_changed", "session_closed"]
    assert "Grace" not in json.dumps(followed)


def test_a_token_opens_its_feeds_and_nothing_else(team, influencer):
    for path in ("/feeds/audit", "/me", "/session", "/audit/records", "/me/tokens"):
        refused = team.problem(403, "GET", path)
        assert refused["code"] == ("scope-missing" if path == "/feeds/audit" else "wrong-guard"), path
    assert team.problem(404, "GET", "/feeds/billing")["code"] == "not-found"
    assert influencer.problem(403, "GET", "/feeds/identity")["code"] == "wrong-guard"


def test_a_cursor_of_another_history_is_noticed(team):
    team.catch_up()
    epoch, position, event_id = team.cursor.split(".")
    for other in (
        f"{epoch}.{int(position) + 1}.{event_id}",
        f"{int(epoch) + 1}.{position}.{event_id}",
        f"{epoch}.{position}.{uuid4()}",
    ):
        assert team.problem(409, "GET", "/feeds/identity", params={"after": other})["code"] == "feed-cursor-unknown"


def test_the_life_of_a_token_is_on_record_and_ends_at_once(hire: Callable[..., Team], okacrm: Okacrm, officer: Browser):
    fresh = hire("identity,audit")
    fresh.follow("identity", limit=1)
    fresh.cursor = None
    officer.get("/audit/records", q="type:identity.service_token_issued")
    asked = [event for event in eventually(lambda: fresh.follow("audit", wait=5)) if "question" in event["data"]]
    assert {event["source"] for event in asked} == {"/services/audit"}

    listed = next(
        line.split() for line in okacrm("service-tokens", "list").stdout.splitlines() if fresh.token_id in line
    )
    assert listed[1:3] == ["data-platform", "audit,identity"]
    assert listed[-1] != "-", "the last use is not known"

    assert okacrm("service-tokens", "revoke", fresh.token_id).returncode == 0
    eventually(lambda: fresh.request("GET", "/feeds/identity").status_code == 401, within=2)

    def records(name: str) -> list[dict[str, Any]]:
        found = officer.get("/audit/records", q=f"type:identity.{name}")["items"]
        return [record for record in found if record["data"]["token_id"] == fresh.token_id]

    (issued,) = records("service_token_issued")
    (revoked,) = eventually(lambda: records("service_token_revoked"))
    assert (issued["data"]["team"], issued["data"]["feeds"]) == ("data-platform", ["audit", "identity"])
    assert (issued["actor"], revoked["actor"]) == ("operator", "operator")
    assert fresh.token not in json.dumps([issued, revoked])


def test_the_feed_is_printed_again_as_it_was_published(okacrm: Okacrm, team: Team):
    published = team.request("GET", "/feeds/identity", params={"limit": 7}).text
    lines = okacrm("events", "replay", "--from", "3").stdout.splitlines()
    assert [json.loads(line)["feedposition"] for line in lines] == list(range(3, len(lines) + 3))
    assert ",".join(lines[:5]) in published
    some = okacrm("events", "replay", "--from", "1", "--type", "session_*", "--type", "account_registered").stdout
    names = {json.loads(line)["type"].rpartition(".")[2] for line in some.splitlines()}
    assert {"account_registered", "session_opened"} <= names
    assert all(name == "account_registered" or name.startswith("session_") for name in names)
