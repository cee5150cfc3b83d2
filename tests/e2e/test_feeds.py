"""Following a feed over HTTP: nothing is lost or doubled, and nobody follows who may not."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.e2e.conftest import Browser
from tests.making import eventually

Okacrm = Callable[..., subprocess.CompletedProcess[str]]


class Team(Browser):
    """The program of an internal team, with its cursor."""

    def __init__(self, base_url: str, token_id: str, token: str) -> None:
        super().__init__(base_url)
        self.token_id = token_id
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
