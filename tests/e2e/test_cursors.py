"""Cursors on the whole platform: one that was not given for this question, to whoever asks, leads nowhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.local.platform import Platform
from tests.e2e.conftest import Browser
from tests.e2e.mailbox import verify_address
from tests.making import eventually
from tests.replicas import second

FROM_NOWHERE = [
    "99999.99998",
    "9223372036854775808.1",
    "99999.602",
    "42.41",
    "42.1795512600000000.41",
    "0.0",
    "%00",
    "é",
]


@pytest.fixture(scope="module")
def other(platform: Platform) -> Iterator[str]:
    """The address of a second gateway."""
    with second(platform) as base_url:
        yield base_url


def owner_of_two(person: Browser) -> str:
    """Founds two workspaces, and gives the cursor behind the first of them."""
    for name in ("Studio Hopper", "Studio Lovelace"):
        person.done("POST", "/workspaces", {"name": name})
    cursor: str = eventually(lambda: person.get("/workspaces", limit=1)["next_cursor"])
    return cursor


@pytest.mark.parametrize(
    "path",
    [
        "/audit/records",
        "/audit/consents?subject=019abf2e-5c1d-7a40-9c52-7d1f0a3b6e11",
        "/audit/processing-without-basis",
        "/audit/disclosures",
        "/audit/recipients",
        "/audit/exports",
        "/security/signals",
    ],
)
def test_a_cursor_from_nowhere_is_refused(officer: Browser, path: str) -> None:
    for cursor in FROM_NOWHERE:
        assert officer.problem(422, "GET", path, params={"cursor": cursor})["code"] == "cursor-invalid", cursor


def test_a_list_is_read_on_at_another_gateway_and_in_another_session(influencer: Browser, other: str) -> None:
    cursor = owner_of_two(influencer)
    first = influencer.get("/workspaces", limit=1)["items"]
    elsewhere = Browser(other)
    elsewhere.email = influencer.email
    elsewhere.sign_in()
    rest = elsewhere.get("/workspaces", limit=5, cursor=cursor)
    assert [item["organisation_id"] for item in first + rest["items"]] == [
        item["organisation_id"] for item in influencer.get("/workspaces")["items"]
    ]


def test_the_cursor_of_a_stranger_is_none_of_ones_own(influencer: Browser, platform: Platform) -> None:
    stranger = Browser(platform.base_url)
    stranger.register()
    stranger.sign_in()
    verify_address(platform, stranger)
    theirs = owner_of_two(stranger)
    for cursor in (theirs, theirs[::-1]):
        assert influencer.problem(422, "GET", "/workspaces", params={"cursor": cursor})["code"] == "cursor-invalid"


def test_a_question_is_not_gone_on_with_as_another(officer: Browser) -> None:
    asked = {"q": "publisher:identity", "limit": 1}
    cursor = eventually(lambda: officer.get("/audit/records", **asked)["next_cursor"])
    assert officer.get("/audit/records", cursor=cursor, **asked)["items"]
    for other in ({"q": "publisher:audit"}, {"q": "publisher:identity "}, {}):
        problem = officer.problem(422, "GET", "/audit/records", params=other | {"cursor": cursor})
        assert problem["code"] == "cursor-invalid"
