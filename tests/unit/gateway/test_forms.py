"""What mail programs post when somebody has had enough of a kind of notice (RFC 8058)."""

from __future__ import annotations

import pytest

from gateway.request import LARGEST_FORM
from tests.unit.gateway.playing import Browser, Services, code_of

TOKEN = "t" * 43
PATH = f"/v1/unsubscriptions/{TOKEN}"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
URLENCODED = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("media_type", [URLENCODED, f"{URLENCODED}; charset=UTF-8", "multipart/form-data"])
def test_one_click_is_taken_without_session_key_or_cookie(ask: Browser, services: Services, media_type: str) -> None:
    response = ask("POST", PATH, data=ONE_CLICK, content_type=media_type)
    assert response.status_code == 200, response.text
    (call,) = services.to("identity.unsubscribe")
    assert (call.arguments, call.actor.kind) == ({"token": TOKEN}, "visitor")


def test_each_click_is_a_command_of_its_own(ask: Browser, services: Services) -> None:
    for _ in range(2):
        assert ask("POST", PATH, data=ONE_CLICK).status_code == 200
    one, other = services.to("identity.unsubscribe")
    assert one.command_id != other.command_id


def test_looking_at_the_link_asks_for_nothing_more(ask: Browser, services: Services) -> None:
    for method in ("GET", "HEAD"):
        assert ask(method, PATH).status_code == 200
    assert services.to("identity.unsubscribe") == []


@pytest.mark.parametrize(
    ("data", "content_type", "code"),
    [
        (b'{"List-Unsubscribe": "One-Click"}', "application/json", "unsupported-media-type"),
        (b"List-Unsubscribe=One-Click", "", "unsupported-media-type"),
        (b"List-Unsubscribe=One-Click", "text/plain", "unsupported-media-type"),
        (b"", URLENCODED, "validation-failed"),
        (b"x=1", URLENCODED, "validation-failed"),
        (b"List-Unsubscribe=Two-Clicks", URLENCODED, "validation-failed"),
        (b"List-Unsubscribe=One-Click&List-Unsubscribe=One-Click", URLENCODED, "malformed-request"),
        (b"x=" + b"1" * LARGEST_FORM, URLENCODED, "body-too-large"),
        (b"List-Unsubscribe=One-Click", "multipart/form-data", "malformed-request"),
        (b"--a\r\nbroken", "multipart/form-data; boundary=a", "malformed-request"),
        (
            b'--a\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx\r\n--a--\r\n',
            "multipart/form-data; boundary=a",
            "malformed-request",
        ),
    ],
)
def test_anything_else_ends_nothing(
    ask: Browser, services: Services, data: bytes, content_type: str, code: str
) -> None:
    response = ask("POST", PATH, data=data, content_type=content_type)
    assert code_of(response) == code
    assert services.to("identity.unsubscribe") == []


def test_a_link_that_does_not_count_is_said_to_be_none(ask: Browser, services: Services) -> None:
    services.refuse("identity.unsubscribe", "link-invalid")
    assert code_of(ask("POST", PATH, data=ONE_CLICK)) == "link-invalid"
