"""The story of a disclosure: an authority demands data, its person asks who has them, and an outsider gets evidence."""

from __future__ import annotations

import subprocess
import sys
import uuid
import zipfile
from pathlib import Path
from typing import Any

from deploy.demo.api import Api
from deploy.demo.telling import chapter, indented, say, wait

ISOLATED = "-I"
"""Python's isolated mode: nothing of Okacrm can be imported, only what is installed beside Python."""


def tell_of_a_disclosure(base_url: str, folder: Path) -> None:
    """Plays and prints the story; the evidence is put into `folder`."""
    marker = uuid.uuid4().hex[:8]
    noor, officer, public = Api(base_url), Api(base_url), Api(base_url)
    email = f"noor.haddad.{marker}@example.com"
    subject = noor.register(email, "Noor Haddad")["account_id"]
    noor.sign_in(email, "influencer")
    officer.join_the_house(f"officer.{marker}@okacrm.example", "compliance")

    chapter("A court demands data about Noor, and the officer records what went out")
    court = officer.post(
        "/v1/audit/recipients",
        {
            "kind": "authority",
            "legal_name": "Landgericht Köln",
            "role": "controller",
            "country": "DE",
            "transfer_mechanism": "none_needed",
            "document_reference": f"28-O-{marker.upper()}",
            "valid_from": "2026-01-01T00:00:00Z",
        },
    )["recipient_id"]
    officer.post(
        "/v1/audit/disclosures",
        {
            "recipient_id": court,
            "subjects": [subject],
            "categories": ["identity"],
            "purpose": "legal_demand",
            "legal_basis": "legal_obligation",
            "document_reference": f"28-O-{marker.upper()}",
        },
    )
    say("recorded", f"identity data, to an authority in DE, under file number 28-O-{marker.upper()}")
    kinds = officer.get("/v1/audit/recipient-kinds")
    say("may data be sold?", f"no such recipient can be entered: the kinds are {', '.join(kinds['named_by_policy'])}")

    chapter("Noor asks to whom her data went")
    for disclosure in wait(lambda: noor.get("/v1/me/disclosures")["items"], "the disclosure to be published"):
        reached = disclosure["recipient"]
        say(reached["legal_name"], f"{', '.join(disclosure['categories'])} for {disclosure['purpose']}")
        say("on which basis", f"{disclosure['legal_basis']}, in {reached['country']}")

    chapter("The officer packs the evidence for somebody who trusts nobody")
    query = f"recipient:{court} subject:{subject}"
    export = officer.post("/v1/audit/exports", {"form": "evidence", "q": query})["export_id"]
    made = wait(lambda: completed(officer, export), "the evidence to be made")
    bundle = folder / "evidence.zip"
    bundle.write_bytes(b"".join(officer.part(export, number) for number in range(1, made["parts"] + 1)))
    key = public.text("/v1/audit/log/keys").splitlines()[0]
    with zipfile.ZipFile(bundle) as archive:
        say("in the bundle", ", ".join(archive.namelist()))
        archive.extractall(folder / "evidence")

    chapter("The outsider verifies it with the one file that came along, Python and no Okacrm")
    evidence = folder / "evidence"
    print(indented(verify(evidence, key).stdout))
    records = evidence / "records.csv"
    records.write_text(records.read_text().replace("legal_demand", "legal_claims"))
    refusal = verify(evidence, key)
    say("one word changed", f"refused: {refusal.stderr.strip()}")
    assert refusal.returncode == 1


def completed(officer: Api, export_id: str) -> dict[str, Any] | None:
    """The export once it was made."""
    export = officer.get(f"/v1/audit/exports/{export_id}")
    return export if export["state"] == "completed" else None


def verify(folder: Path, key: str) -> subprocess.CompletedProcess[str]:
    """Runs the verifier that is in the bundle, in its folder."""
    command = [sys.executable, ISOLATED, "verify.py", "--key", key]
    return subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)  # noqa: S603
