"""Two gateways and two identity services are one platform: it does not matter which of them is asked."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from deploy.local.platform import Platform
from shared.contracts.vocabulary import COOKIE_WORDINGS
from tests.e2e.conftest import Browser
from tests.making import PASSWORD, eventually, registration_body
from tests.replicas import second


@pytest.fixture(scope="module")
def other(platform: Platform) -> Iterator[str]:
    """The address of the second gateway."""
    with second(platform) as base_url:
        yield base_url


def elsewhere(browser: Browser, base_url: str) -> Browser:
    """The same person, whose next requests reach another gateway."""
    moved = Browser(base_url)
    moved.http.cookies.update(browser.http.cookies)
    moved.http.headers.update(browser.http.headers)
    return moved


def test_a_session_opened_at_one_gateway_is_used_at_the_other(influencer: Browser, other: str) -> None:
    moved = elsewhere(influencer, other)
    assert moved.get("/me")["account_id"] == influencer.account_id
    moved.done("PUT", "/me/consents/product_news")
    states = {item["purpose"]: item["state"] for item in influencer.get("/me/consents")["items"]}
    assert states["product_news"] == "granted"
    assert moved.get("/session") == influencer.get("/session")


def test_a_session_closed_at_one_gateway_is_refused_at_both(influencer: Browser, other: str) -> None:
    moved = elsewhere(influencer, other)
    kept = elsewhere(influencer, influencer.base_url)
    for browser in (moved, kept):
        browser.get("/me")
    influencer.done("DELETE", "/session")
    for browser in (moved, kept):
        eventually(lambda browser=browser: browser.request("GET", "/me").status_code == 401)
        assert browser.problem(401, "PUT", "/me/consents/product_news")["code"] == "not-signed-in"


def test_the_same_key_at_both_gateways_has_one_effect_and_one_answer(platform: Platform, other: str) -> None:
    body, key = registration_body(), str(uuid.uuid4())
    addresses = [platform.base_url, other] * 4

    def register(base_url: str) -> tuple[int, str]:
        answer = Browser(base_url).settled("/accounts", body, key)
        return answer.status_code, answer.text

    with ThreadPoolExecutor(len(addresses)) as threads:
        (told,) = set(threads.map(register, addresses))
    assert told[0] == 201


def test_signing_in_again_under_the_same_key_elsewhere_opens_the_same_session(
    influencer: Browser, platform: Platform, other: str
) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"email": influencer.email, "password": PASSWORD, "guard": "influencer", "transport": "bearer"}
    here, there = (Browser(base).done("POST", "/sessions", body, headers=key) for base in (platform.base_url, other))
    assert here == there


def test_a_visitor_who_chose_at_one_gateway_is_known_at_the_other(visitor: Browser, other: str) -> None:
    choice = {"preferences": True, "analytics": False, "wording_version": COOKIE_WORDINGS[-1]}
    chosen = visitor.done("PUT", "/cookie-choices", choice)
    assert elsewhere(visitor, other).get("/cookie-choices") == chosen


def test_an_address_registered_at_one_gateway_is_taken_at_the_other(influencer: Browser, other: str) -> None:
    answer = Browser(other).done("POST", "/accounts", registration_body(email=influencer.email))
    assert answer["account_id"] != influencer.account_id
    influencer.bearer("influencer")
