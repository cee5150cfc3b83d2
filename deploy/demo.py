"""The story of a person and their data, played on the running platform through HTTP and told with the evidence.

Only the account of the compliance officer is made at the command line, because officers do not register themselves; and
the evidence is verified by a command that speaks to nobody.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from pyotp import TOTP

from deploy.cli import state_directory
from deploy.local.platform import Platform
from deploy.local.state import PlatformError

PASSWORD = "a long walk to the lighthouse"  # noqa: S105 - of people who exist for one demonstration
PATIENCE = 15.0


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

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._json("POST", path, json=body, headers={"Idempotency-Key": str(uuid.uuid4())})

    def put(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return self._json("PUT", path, json=body)

    def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._json("PATCH", path, json=body)

    def delete(self, path: str) -> dict[str, Any]:
        return self._json("DELETE", path)

    def get(self, path: str, **query: str) -> dict[str, Any]:
        return self._json("GET", path, params=query)

    def text(self, path: str, accept: str = "text/plain") -> str:
        return self._answer("GET", path, headers={"Accept": accept}).text

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


def main() -> None:
    try:
        base_url = Platform.running(state_directory()).base_url
    except PlatformError as error:
        raise SystemExit(str(error)) from None
    with tempfile.TemporaryDirectory() as folder:
        tell(base_url, Path(folder))


def tell(base_url: str, folder: Path) -> None:
    """Plays and prints the whole story; what the officer takes away is put into `folder`."""
    marker = uuid.uuid4().hex[:8]
    email, officer_email = f"mara.lind.{marker}@example.com", f"officer.{marker}@okacrm.example"
    mara, officer, public = Api(base_url), Api(base_url), Api(base_url)

    chapter("Mara registers as an influencer and signs in")
    account = mara.post(
        "/v1/accounts",
        {
            "email": email,
            "name": "Mara Lind",
            "time_zone": "Europe/Berlin",
            "country": "DE",
            "age_statement": True,
            "accepted_policy_version": "2026-11-01",
            "password": PASSWORD,
        },
    )
    subject = account["account_id"]
    say("account", subject)
    session = mara.sign_in(email, "influencer")
    say("session", f"under the guard {session['guard']}, until {session['expires_at']}")
    say("profile", show(mara.get("/v1/me"), "name", "email", "time_zone", "country"))

    chapter("She decides what her data may be used for, and changes her mind")
    granted = mara.put("/v1/me/consents/product_news")
    say("granted", f"product_news, effective {granted['effective_at']}")
    withdrawn = mara.delete("/v1/me/consents/product_news")
    say("withdrawn", f"product_news, effective {withdrawn['effective_at']}")
    mara.put("/v1/me/consents/usage_analytics")
    for consent in mara.get("/v1/me/consents")["items"]:
        say(consent["purpose"], consent["state"])
    say("may she audit?", f"no: {mara.refused('GET', '/v1/audit/completeness')}")

    chapter("A compliance officer finds her by her address, which is itself recorded")
    officer.post("/v1/password-resets", {"token": create_officer(officer_email), "password": PASSWORD})
    officer.sign_in(officer_email, "compliance")
    say("with a password?", f"not enough: {officer.refused('GET', '/v1/audit/completeness')}")
    officer.enrol()
    say("second factor", "enrolled")
    found = officer.post("/v1/audit/subject-lookups", {"email": email.upper()})
    say("found", f"{found['subject']} (look-up {found['lookup_id']})")
    assert found["subject"] == subject

    chapter("The officer reads what the log holds about her")
    records = wait(lambda: published(officer, subject, "subject_looked_up"), "the records to be published")
    for record in reversed(records):
        name = record["type"].rsplit(".", 1)[-1]
        sealed = ", ".join(field["field"] for field in record["sealed"])
        line = f"#{record['position']:<4} {name:<22} by {record['actor'].split(':')[0]}"
        say(record["occurred_at"][11:23], line + (f"   sealed: {sealed}" if sealed else ""))

    chapter("What had she consented to: now, and in the moment between?")
    for label, moment in (("now", None), ("in between", granted["effective_at"])):
        query = {"subject": subject} | ({"as_of": moment} if moment else {})
        states = {each["purpose"]: each["state"] for each in officer.get("/v1/audit/consents", **query)["consents"]}
        say(label, json.dumps(states))

    chapter("Is the log complete?")
    for publisher in officer.get("/v1/audit/completeness")["publishers"]:
        say(
            publisher["publisher"],
            f"positions {publisher['audited_from']} to {publisher['audited_to']} of {publisher['head']}, "
            f"{'without a hole' if publisher['contiguous'] else 'WITH A HOLE'}, lag {publisher['lag']}",
        )

    chapter("The withdrawal, proven: the officer takes the evidence away")
    proven = next(record for record in records if record["type"].endswith("consent_withdrawn"))
    path = f"/v1/audit/records/{proven['id']}/proof"
    for line in officer.text(path).splitlines():
        print("    " + line)
    bundle, key = folder / "evidence.json", folder / "log.key"
    bundle.write_text(officer.text(path, accept="application/json"))
    key.write_text(public.text("/v1/audit/log/key"))
    say("verifier key", key.read_text().strip())

    chapter("Offline, an outsider verifies it")
    print(indented(verify(bundle, key).stdout))
    altered = folder / "altered.json"
    altered.write_text(with_one_letter_changed(bundle.read_text()))
    refusal = verify(altered, key)
    say("one letter changed", f"refused: {(refusal.stderr or refusal.stdout).strip()}")
    assert refusal.returncode != 0

    chapter("The log only grows, as anyone can check")
    size = int(public.text("/v1/audit/log/checkpoint").splitlines()[1])
    proof = public.get("/v1/audit/log/consistency", **{"from": str(proven["position"] + 1), "to": str(size)})
    say("consistency", f"tree of {proof['from']} leaves to tree of {proof['to']}: {len(proof['hashes'])} hashes")

    chapter("Mara signs out")
    mara.delete("/v1/session")
    say("and her session", f"is refused: {mara.refused('GET', '/v1/me')}")
    print()


def published(officer: Api, subject: str, latest: str) -> list[dict[str, Any]] | None:
    """Her records, once the one of this kind is among them and a checkpoint covers them all."""
    records: list[dict[str, Any]] = officer.get(
        "/v1/audit/records", q=f"subject:{subject} -type:audit.question_asked", limit="50"
    )["items"]
    complete = any(record["type"].endswith(latest) for record in records)
    return records if complete and all(record["state"] == "published" for record in records) else None


def with_one_letter_changed(bundle: str) -> str:
    """The bundle, in which the middle of the leaf says something else."""
    at = bundle.index('"leaf":') + 100
    return bundle[:at] + ("A" if bundle[at] != "A" else "B") + bundle[at + 1 :]


def create_officer(email: str) -> str:
    """Makes an officer's account, and returns the token with which they choose a password."""
    command = [sys.executable, "-m", "deploy.cli", "staff", "create", email, "--role", "compliance"]
    made = subprocess.run(command, text=True, check=True, stdout=subprocess.PIPE)  # noqa: S603
    return made.stdout.split()[-1]


def verify(bundle: Path, key: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.cli", "audit", "verify", str(bundle), "--key", f"@{key}"]
    return subprocess.run(command, text=True, capture_output=True, check=False)  # noqa: S603


def wait(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (held := condition()):
        if time.monotonic() >= deadline:
            raise SystemExit(f"waited {PATIENCE:.0f} seconds in vain for {what}")
        time.sleep(0.2)
    return held


def chapter(title: str) -> None:
    print(f"\n{title}\n")


def say(label: str, text: str) -> None:
    print(f"    {label:<20} {text}")


def show(values: dict[str, Any], *names: str) -> str:
    return ", ".join(f"{name} {values[name]}" for name in names)


def indented(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())


if __name__ == "__main__":
    main()
