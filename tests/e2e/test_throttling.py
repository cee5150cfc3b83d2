"""Guessing passwords gets slow, across restarts, and nobody is locked out by it.

The attacker calls from another address of the local network than everybody else.
"""

from __future__ import annotations

import uuid

import pytest
from requests.adapters import HTTPAdapter

from services.identity.access.throttles import FROM_ONE_NETWORK, STUFFING
from tests.e2e.conftest import Browser
from tests.e2e.test_sessions import noticed
from tests.making import PASSWORD, email, eventually


class FromAddress(HTTPAdapter):
    """Connects from one address of this machine."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *arguments, **options) -> None:
        super().init_poolmanager(*arguments, source_address=(self._address, 0), **options)


def browser_at(platform, address: str) -> Browser:
    browser = Browser(platform.base_url)
    browser.http.mount("http://", FromAddress(address))
    return browser


@pytest.fixture
def attacker(platform) -> Browser:
    return browser_at(platform, "127.0.66.1")


def guess(browser: Browser, address: str, password: str = "guessed-and-wrong") -> int:
    body = {"email": address, "password": password, "guard": "influencer"}
    return browser.request("POST", "/sessions", body).status_code


def guess_until_refused(browser: Browser, address: str) -> None:
    for _ in range(FROM_ONE_NETWORK.free):
        assert guess(browser, address) == 401
    eventually(lambda: guess(browser, address) == 429)


def test_guessing_gets_slow_and_the_person_does_not_notice(platform, influencer, attacker, officer):
    guess_until_refused(attacker, influencer.email)
    answer = attacker.request(
        "POST", "/sessions", {"email": influencer.email, "password": PASSWORD, "guard": "influencer"}
    )
    assert (answer.status_code, answer.json()["type"].rsplit("/", 1)[1]) == (429, "too-many-attempts")
    assert int(answer.headers["Retry-After"]) >= 1
    influencer.sign_in()
    reasons = {each["detail"] for each in noticed(officer, "signin_failed", influencer.account_id)}
    assert reasons == {"wrong_password"}
    assert {each["detail"] for each in noticed(officer, "signin_throttled", influencer.account_id)} == {"account"}


def test_a_throttle_tells_nothing_about_whether_there_is_an_account(influencer, attacker):
    def answers(address: str) -> list[tuple[int, dict]]:
        found = []
        for _ in range(FROM_ONE_NETWORK.free + 1):
            answer = attacker.request(
                "POST",
                "/sessions",
                {"email": address, "password": "guessed-and-wrong", "guard": "influencer"},
                headers={"X-Request-Id": "the-same"},
            )
            found.append((answer.status_code, answer.json()))
        return found

    assert answers(influencer.email)[: FROM_ONE_NETWORK.free] == answers(email())[: FROM_ONE_NETWORK.free]


def test_throttling_survives_a_restart_of_identity(platform, influencer, attacker, identity):
    guess_until_refused(attacker, influencer.email)
    # A delay that outlasts the restart.
    identity.execute("UPDATE throttles SET failures = failures + 10 WHERE failures >= %s", [FROM_ONE_NETWORK.free])
    platform.kill("service identity")
    eventually(lambda: influencer.request("GET", "/me").status_code == 200)
    assert guess(attacker, influencer.email, PASSWORD) == 429


def test_one_network_cannot_try_many_addresses(platform, influencer, officer):
    stuffer = browser_at(platform, "127.0.77.1")
    known = browser_at(platform, "127.0.77.2")
    known.email = influencer.email
    known.sign_in()
    for _ in range(STUFFING.free):
        assert guess(stuffer, email()) == 401
    eventually(lambda: guess(stuffer, email()) == 429)
    networks = officer.get("/security/signals", kind="signin_throttled")["items"]
    assert "network" in {each["detail"] for each in networks}
    known.sign_in()
    influencer.sign_in()


def test_the_same_sign_in_sent_again_from_another_address_is_the_same_sign_in(platform, influencer):
    body = {"email": influencer.email, "password": PASSWORD, "guard": "influencer", "transport": "bearer"}
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first = browser_at(platform, "127.0.0.1").done("POST", "/sessions", body, headers=headers)
    again = browser_at(platform, "127.0.88.1").done("POST", "/sessions", body, headers=headers)
    assert again == first
