"""People for a measurement: registered and signed in, with a token each."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pyotp import TOTP

from deploy.local.platform import Platform
from tests.bench.load import ask
from tests.making import PASSWORD, email, registration_body


@dataclass(frozen=True)
class Person:
    account_id: str
    headers: dict[str, str]


def sign_in(base_url: str, address: str, guard: str) -> Person:
    body = {"email": address, "password": PASSWORD, "guard": guard, "transport": "bearer"}
    session = ask(base_url, "POST", "/v1/sessions", body)
    return Person(session["account_id"], {"Authorization": f"Bearer {session['access_token']}"})


def registered(base_url: str) -> str:
    """The address of a new account."""
    body = registration_body()
    ask(base_url, "POST", "/v1/accounts", body)
    return str(body["email"])


def influencers(base_url: str, number: int) -> list[Person]:
    def arrive(_: int) -> Person:
        return sign_in(base_url, registered(base_url), "influencer")

    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(arrive, range(number)))


def officer(platform: Platform) -> Person:
    """A compliance officer with a password and a second factor."""
    address = email()
    made = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "staff", "create", address, "--role", "compliance"],
        text=True,
        check=True,
        stdout=subprocess.PIPE,
        env={"OKACRM_STATE_DIR": str(platform.state.root), "PATH": "/usr/bin:/bin"},
    )
    choice = {"token": made.stdout.split()[-1], "password": PASSWORD}
    ask(platform.base_url, "POST", "/v1/password-resets", choice)
    return enrolled(platform.base_url, sign_in(platform.base_url, address, "compliance"))


def enrolled(base_url: str, person: Person) -> Person:
    """The same person in a session in which a second factor was shown, which gave it another token."""
    proven = ask(base_url, "POST", "/v1/session/step-up", {"password": PASSWORD}, person.headers)
    headers = {"Authorization": f"Bearer {proven['access_token']}"}
    secret = ask(base_url, "POST", "/v1/me/authenticator", {}, headers)["secret"]
    ask(base_url, "PUT", "/v1/me/second-factor", {"one_time_code": TOTP(secret).now()}, headers)
    return Person(person.account_id, headers)
