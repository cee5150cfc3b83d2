"""People at their browsers: through HTTP and nothing else, but for the operator's command line."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import requests
from pyotp import TOTP

from deploy.local.platform import Platform
from shared.contracts.vocabulary import STAFF_GUARDS
from tests.e2e.mailbox import verify_address, verify_address_of_newcomer
from tests.making import PASSWORD, email, eventually, registration_body

FEWEST_CODES = 3
"""So many recovery codes are left when they are exchanged for new ones, which takes two."""


class Browser:
    """A client with a cookie jar, which shows the CSRF token that it was given."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.http = requests.Session()
        self.account_id = ""
        self.email = ""
        self.recovery_codes: list[str] = []
        """Of somebody who has enrolled a second factor: unlike those of an authenticator, they count at any time."""

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        if body is not None:
            options["json"] = body
        return self.http.request(method, f"{self.base_url}/v1{path}", timeout=30, **options)

    def get(self, path: str, **query: Any) -> Any:
        return self.done("GET", path, params=query)

    def done(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The answer of a request that is expected to succeed."""
        answer = self.request(method, path, body, **options)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def settled(self, path: str, body: Any, key: str) -> requests.Response:
        """The answer of a command whose outcome is known; until then it is sent again under its key.

        Many at once on a machine that is busy with other tests may meet the deadline of a call.
        """

        def known() -> list[requests.Response]:
            answer = self.request("POST", path, body, headers={"Idempotency-Key": key})
            return [] if answer.status_code == 504 else [answer]

        (answer,) = eventually(known)
        return answer

    def problem(self, status: int, method: str, path: str, body: Any = None, **options: Any) -> dict[str, Any]:
        """The problem that a request is expected to meet, with its code under `code`."""
        answer = self.request(method, path, body, **options)
        assert answer.status_code == status, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        problem: dict[str, Any] = answer.json()
        return problem | {"code": problem["type"].rsplit("/", 1)[-1]}

    def register(self, **changes: Any) -> Any:
        self.email = changes.get("email") or email()
        answer = self.done("POST", "/accounts", registration_body(email=self.email) | changes)
        self.account_id = answer["account_id"]
        return answer

    def choose_password(self, token: str) -> None:
        """Follows a link by which a password is chosen."""
        self.done("POST", "/password-resets", {"token": token, "password": PASSWORD})

    def sign_in(self, guard: str = "influencer", **changes: Any) -> Any:
        session = self.done("POST", "/sessions", self._credentials(guard) | changes)
        self.account_id = session["account_id"]
        self.http.headers["X-CSRF-Token"] = session["csrf_token"]
        return session

    def step_up(self) -> Any:
        """Shows again who uses the browser, and goes on with the tokens that replace the former ones."""
        session = self.done("POST", "/session/step-up", self._proof())
        self.http.headers["X-CSRF-Token"] = session["csrf_token"]
        return session

    def enrol(self) -> str:
        """Turns on a second factor in the session that the browser holds, and returns the authenticator's secret."""
        self.step_up()
        secret: str = self.done("POST", "/me/authenticator")["secret"]
        enabled = self.done("PUT", "/me/second-factor", {"one_time_code": TOTP(secret).now()})
        self.recovery_codes = enabled["recovery_codes"]
        return secret

    def bearer(self, guard: str, *, stepped_up: bool = False) -> dict[str, str]:
        """What a request carries in one more session of the person, which this browser does not keep."""
        opened = self.done("POST", "/sessions", self._credentials(guard) | {"transport": "bearer"})
        if stepped_up:
            opened = self.done("POST", "/session/step-up", self._proof(), headers=_presenting(opened))
        return _presenting(opened)

    def _credentials(self, guard: str) -> dict[str, str]:
        if 0 < len(self.recovery_codes) <= FEWEST_CODES:
            self._renew_recovery_codes(guard)
        second_factor = {"one_time_code": self.recovery_codes.pop()} if self.recovery_codes else {}
        return {"email": self.email, "password": PASSWORD, "guard": guard} | second_factor

    def _proof(self) -> dict[str, str]:
        """What shows that it is the person: a one-time code, or the password of who has no second factor."""
        return {"one_time_code": self.recovery_codes.pop()} if self.recovery_codes else {"password": PASSWORD}

    def _renew_recovery_codes(self, guard: str) -> None:
        """Exchanges the last codes for new ones, which takes two of them."""
        left, self.recovery_codes = self.recovery_codes, []
        opened = self.done(
            "POST", "/sessions", self._credentials(guard) | {"one_time_code": left.pop(), "transport": "bearer"}
        )
        proven = self.done("POST", "/session/step-up", {"one_time_code": left.pop()}, headers=_presenting(opened))
        self.recovery_codes = self.done("POST", "/me/recovery-codes", headers=_presenting(proven))["recovery_codes"]


def _presenting(session: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {session['access_token']}"}


@pytest.fixture
def visitor(platform: Platform) -> Browser:
    return Browser(platform.base_url)


@pytest.fixture
def unverified(platform: Platform) -> Browser:
    """Somebody who has registered and signed in, and did not show that their address is theirs."""
    browser = Browser(platform.base_url)
    browser.register()
    browser.sign_in()
    return browser


@pytest.fixture
def influencer(platform: Platform, unverified: Browser) -> Browser:
    """Somebody who has registered, signed in and verified their address."""
    verify_address(platform, unverified)
    return unverified


@pytest.fixture
def identity(platform: Platform) -> Iterator[psycopg.Connection[Any]]:
    """Identity's database under the role that owns it, for what time alone would bring about."""
    database = platform.databases["identity"]
    with psycopg.connect(platform.database_url(database.name, database.owner), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def okacrm(platform: Platform) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The operator's command line."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "OKACRM_STATE_DIR": str(platform.state.root)}
        return subprocess.run(
            [sys.executable, "-m", "deploy.cli", *arguments],
            text=True,
            capture_output=True,
            check=False,
            env=environment,
        )

    return run


@pytest.fixture(scope="session")
def somebody(newcomer: Callable[[str], Browser]) -> Callable[[str], Browser]:
    """Makes a person who holds a guard; whoever acts for the house has enrolled a second factor, and is signed in."""

    def make(guard: str) -> Browser:
        person = newcomer(guard)
        if guard in STAFF_GUARDS:
            person.sign_in(guard)
            person.enrol()
        return person

    return make


@pytest.fixture(scope="session")
def newcomer(platform: Platform, okacrm: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[[str], Browser]:
    """Makes a person who holds a guard and has no second factor, and has not signed in."""

    def make(guard: str) -> Browser:
        person = Browser(platform.base_url)
        if guard in STAFF_GUARDS:
            person.email = f"{guard}-{uuid.uuid4().hex[:8]}@okacrm.example"
            made = okacrm("staff", "create", person.email, "--role", guard)
            assert made.returncode == 0, made.stderr
            person.choose_password(made.stdout.split()[-1])
            return person
        person.register()
        verify_address_of_newcomer(platform, person)
        if guard == "client":
            person.done("POST", "/me/guards", {"guard": "client"}, headers=person.bearer("influencer"))
        return person

    return make


@pytest.fixture(scope="session")
def officer(somebody: Callable[[str], Browser]) -> Browser:
    """A compliance officer, made at the command line."""
    return somebody("compliance")
