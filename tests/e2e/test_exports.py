"""Exports through HTTP: an officer asks, the courier makes them, and what is fetched can be checked by anybody."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest

from services.audit.tree.merkle import leaf_hash
from tests.e2e.conftest import Browser
from tests.e2e.test_tokens import token_request
from tests.making import eventually


def exported(officer: Browser, form: str, q: str) -> dict[str, Any]:
    """An export, once it is made."""
    asked = officer.done("POST", "/audit/exports", {"form": form, "q": q})

    def ended() -> dict[str, Any]:
        export: dict[str, Any] = officer.get(f"/audit/exports/{asked['export_id']}")
        return export if export["state"] != "running" else {}

    return eventually(ended)


def fetched(officer: Browser, export: dict[str, Any]) -> bytes:
    parts = [
        officer.request("GET", f"/audit/exports/{export['export_id']}/parts/{number}").content
        for number in range(1, export["parts"] + 1)
    ]
    assert [sha256(part).hexdigest() for part in parts] == export["part_sha256"]
    data = b"".join(parts)
    assert sha256(data).hexdigest() == export["sha256"]
    return data


def test_an_export_holds_the_very_bytes_of_the_log(influencer, officer):
    query = f"subject:{influencer.account_id} publisher:identity"
    records = eventually(lambda: officer.get("/audit/records", q=query)["items"])
    export = exported(officer, "ndjson", query)
    lines = fetched(officer, export).splitlines()
    assert len(lines) == export["records"] >= len(records)
    for line in lines:
        document = json.loads(line)
        leaf = line[len(b'{"index":') + len(str(document["index"])) + len(b',"leaf":') : -1]
        shown = officer.get(f"/audit/records/{document['leaf']['event_id']}")
        assert (shown["position"], shown["type"]) == (document["index"], document["leaf"]["type"])
        assert shown["leaf_hash"] == b64encode(leaf_hash(leaf)).decode()
    questions = f"type:audit.question_asked subject:{influencer.account_id}"

    def asked() -> set[str]:
        return {each["data"]["question"] for each in officer.get("/audit/records", q=questions)["items"]}

    assert eventually(lambda: "export" in asked()), "the person's own history tells of the export"


def test_evidence_is_verified_on_a_machine_without_okacrm(influencer, officer, visitor, tmp_path):
    query = f"subject:{influencer.account_id}"
    eventually(lambda: officer.get("/audit/records", q=query)["items"])
    bundle = fetched(officer, exported(officer, "evidence", query))
    zipfile.ZipFile(io.BytesIO(bundle)).extractall(tmp_path)
    key = visitor.request("GET", "/audit/log/key").text.strip()
    run = [sys.executable, "-I", str(tmp_path / "verify.py")]
    verified = subprocess.run([*run, "--key", key], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout.startswith("VERIFIED")
    (tmp_path / "records.csv").write_bytes((tmp_path / "records.csv").read_bytes().replace(b"identity", b"identitx"))
    refused = subprocess.run([*run, "--key", key], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stderr) == (1, "NOT VERIFIED: records.csv: records-differ\n")


def test_a_program_of_an_officer_fetches_what_can_be_verified(officer, visitor, okacrm, tmp_path):
    officer.step_up()
    secret = officer.done("POST", "/me/tokens", token_request("audit:read"))["token"]
    (tmp_path / "token").write_text(secret)
    (tmp_path / "key").write_text(visitor.request("GET", "/audit/log/key").text)
    options = ("--url", visitor.base_url, "--token", f"@{tmp_path}/token")
    asked = okacrm("audit", "export", str(tmp_path / "log"), *options)
    assert asked.returncode == 0, asked.stderr
    verified = okacrm("audit", "verify", str(tmp_path / "log"), "--key", f"@{tmp_path}/key")
    assert verified.returncode == 0, verified.stderr
    assert "Complete for the whole log" in verified.stdout
    again = okacrm("audit", "export", str(tmp_path / "again"), *options, "--id", asked.stderr.split()[1])
    assert (tmp_path / "again" / "records.ndjson").read_bytes() == (tmp_path / "log" / "records.ndjson").read_bytes()
    assert again.stdout.split(":")[1] == asked.stdout.split(":")[1]


@pytest.mark.parametrize("body", [{}, {"form": "pdf"}, {"form": "csv", "q": "who:me"}])
def test_what_cannot_be_exported_is_refused(officer, body):
    assert officer.problem(422, "POST", "/audit/exports", body)["code"] == "validation-failed"
