"""The story of a person and their data, and of the evidence.

Only the compliance officer is made at the command line, because officers do not register themselves; and the evidence
is verified by a command that speaks to nobody.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from deploy.demo.api import Api
from deploy.demo.telling import chapter, indented, say, show, wait


def tell_of_a_person(base_url: str, folder: Path) -> None:
    """Plays and prints the story; what the officer takes away is put into `folder`."""
    marker = uuid.uuid4().hex[:8]
    email, officer_email = f"mara.lind.{marker}@example.com", f"officer.{marker}@okacrm.example"
    mara, officer, public = Api(base_url), Api(base_url), Api(base_url)

    chapter("Mara registers as an influencer and signs in")
    account = mara.register(email, "Mara Lind")
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
    officer.join_the_house(officer_email, "compliance")
    say("second factor", "enrolled: without one, an officer may do nothing else")
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


def published(officer: Api, subject: str, latest: str) -> list[dict[str, Any]] | None:
    """Her records that a checkpoint covers, once the one of this kind is among them."""
    records: list[dict[str, Any]] = officer.get(
        "/v1/audit/records", q=f"subject:{subject} -type:audit.question_asked", limit="50"
    )["items"]
    return records if any(record["type"].endswith(latest) for record in records) else None


def with_one_letter_changed(bundle: str) -> str:
    """The bundle, in which the middle of the leaf says something else."""
    at = bundle.index('"leaf":') + 100
    return bundle[:at] + ("A" if bundle[at] != "A" else "B") + bundle[at + 1 :]


def verify(bundle: Path, key: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.cli", "audit", "verify", str(bundle), "--key", f"@{key}"]
    return subprocess.run(command, text=True, capture_output=True, check=False)  # noqa: S603
