"""Browsers and mailboxes of the people in the story."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
import uuid
from typing import Any

import requests
from pyotp import TOTP

from deploy.demo.telling import wait

PASSWORD = "a long walk to the lighthouse"  # noqa: S105 - of people who exist for one demonstration


class Api:
    """One browser or program: a session of its own, and problems that stop the story."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._http = requests.Session()

    def sign_in(self, email: str, guard: str) -> dict[str, Any]:
        """Opens a cookie session and remembers its CSRF token."""
        session = self.post("/v1/sessions", {"email": email, "password": PASSWORD, "guard": guard})
        self._http.headers["X-CSRF-Token"] = session["csrf_token"]
        return session

    def enrol(self) -> None:
        """Turns on a second factor, which whoever acts for the house needs."""
        session = self.post("/v1/session/step-up", {"password": PASSWORD})
        self._http.headers["X-CSRF-Token"] = session["csrf_token"]
        authenticator = TOTP(self.post("/v1/me/authenticator", {})["secret"])
        self.put("/v1/me/second-factor", {"one_time_code": authenticator.now()})

    def register(self, email: str, name: str) -> dict[str, Any]:
        return self.post(
            "/v1/accounts",
            {
                "email": email,
                "name": name,
                "time_zone": "Europe/Berlin",
                "country": "DE",
                "age_statement": True,
                "accepted_policy_version": "2026-11-01",
                "password": PASSWORD,
            },
        )

    def confirm_address(self, token: str) -> None:
        """Follows the link, in the session of the person, by which they show that an address is theirs."""
        self.post("/v1/email-verifications", {"token": token})

    def join_the_house(self, email: str, role: str) -> None:
        """Becomes one of the house, with an account made at the command line, and signs in with a second factor."""
        command = [sys.executable, "-m", "deploy.cli", "staff", "create", email, "--role", role]
        made = subprocess.run(command, text=True, check=True, stdout=subprocess.PIPE)  # noqa: S603
        self.post("/v1/password-resets", {"token": made.stdout.split()[-1], "password": PASSWORD})
        self.sign_in(email, role)
        self.enrol()

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._json("POST", path, json=body, headers={"Idempotency-Key": str(uuid.uuid4())})

    def put(self, path: str, body: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
        return self._json("PUT", path, json=body, headers=headers)

    def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._json("PATCH", path, json=body)

    def delete(self, path: str) -> dict[str, Any]:
        return self._json("DELETE", path)

    def get(self, path: str, **query: str) -> dict[str, Any]:
        return self._json("GET", path, params=query)

    def text(self, path: str, accept: str = "text/plain") -> str:
        return self._answer("GET", path, headers={"Accept": accept}).text

    def part(self, export_id: str, number: int) -> bytes:
        """One part of an export that was made."""
        return self._answer("GET", f"/v1/audit/exports/{export_id}/parts/{number}").content

    def refused(self, method: str, path: str) -> str:
        """The code of the problem that a request is expected to meet."""
        answer = self._http.request(method, self._base_url + path, timeout=10)
        return str(answer.json()["type"]).rsplit("/", 1)[-1]

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = self._answer(method, path, **options)
        return dict(answer.json()) if answer.content else {}

    def _answer(self, method: str, path: str, **options: Any) -> requests.Response:
        answer = self._http.request(method, self._base_url + path, timeout=10, **options)
        if not answer.ok:
            problem = answer.json()
            raise SystemExit(f"{method} {path} answered {answer.status_code}: {problem['title']}. {problem['detail']}")
        return answer

    def cookie(self, name: str) -> str:
        return str(self._http.cookies[name])


class Mailbox:
    """What came by mail, as the local catcher shows it."""

    def __init__(self, page: str) -> None:
        self._page = page

    def token(self, address: str, *, apart_from: str = "") -> str:
        """The token in the last link that came to an address, once there is another than `apart_from`."""
        return str(wait(lambda: self._last_token(address, apart_from), f"a mail to {address}"))

    def _last_token(self, address: str, apart_from: str) -> str | None:
        with urllib.request.urlopen(f"{self._page}/mails", timeout=10) as answer:  # noqa: S310 - the local catcher
            texts = [mail["text"] for mail in json.load(answer) if mail["to"] == address]
        tokens = [found for text in texts for found in re.findall(r"token=([\w-]+)", text)]
        return next((token for token in reversed(tokens) if token != apart_from), None)
