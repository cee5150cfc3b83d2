"""Policies on a whole platform: published by an officer, told to people, acknowledged once, and asked about later."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

from deploy.local.platform import Platform
from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import FIRST_POLICY_VERSION
from shared.runtime import clock
from tests.e2e.conftest import Browser
from tests.e2e.mailbox import mails_to
from tests.making import eventually

SUBJECT = "Our terms begin to count"
TERMS = "/me/policies/terms/{version}/acknowledgement"


def edition(**changes: Any) -> dict[str, Any]:
    """Terms that take effect in a moment: nobody has to accept them in order to register."""
    return {
        "policy": "terms",
        "policy_version": f"{clock.now():%Y-%m-%d}",
        "material": False,
        "notice_days": 0,
        "effective_at": rfc3339(clock.now() + timedelta(seconds=3)),
        "summaries": [
            {"language": "en", "subject": SUBJECT, "text": "What we owe each other.\n\nIn short."},
            {"language": "de", "subject": "Unsere Bedingungen gelten", "text": "Was wir einander schulden."},
        ],
        "document_url": "https://okacrm.example/terms",
        "document_sha256": "0" * 64,
    } | changes


def decide(officer: Browser, method: str, path: str, body: Any = None) -> Any:
    return officer.done(method, path, body, headers=officer.bearer("compliance", stepped_up=True))


def own(person: Browser, version: str) -> dict[str, Any]:
    items = person.get("/me/policies")["items"]
    found: list[dict[str, Any]] = [
        item for item in items if (item["policy"], item["policy_version"]) == ("terms", version)
    ]
    return found[0] if found else {}


def questions(officer: Browser, about: str = "") -> set[str]:
    """What was asked of the log, as it says itself."""
    asked = officer.get("/audit/records", q=f"type:audit.question_asked {about}".strip())["items"]
    return {each["data"]["question"] for each in asked}


def withdraw_what_was_planned(officer: Browser) -> None:
    """Takes back whatever terms other tests let come, behind which none could take effect."""
    for each in officer.get("/policies")["items"]:
        if (each["policy"], each["state"]) == ("terms", "coming"):
            decide(officer, "PUT", f"/audit/policies/terms/{each['policy_version']}/withdrawal")


def test_people_are_told_and_acknowledge_once_and_an_officer_sees_what_counted(
    platform: Platform, influencer: Browser, officer: Browser
) -> None:
    quiet = Browser(platform.base_url)  # is not verified, and so not told
    quiet.register()
    withdraw_what_was_planned(officer)
    published = edition()
    version = published["policy_version"]
    decide(officer, "POST", "/audit/policies", published)

    # Whoever reads it may say so before it counts.
    eventually(lambda: own(influencer, version))
    path = TERMS.format(version=version)
    acknowledged = influencer.done("PUT", path)
    assert acknowledged["how"] == "explicit"
    again = influencer.done("PUT", path)
    assert (again["version"], again["acknowledged_at"]) == (acknowledged["version"], acknowledged["acknowledged_at"])
    influencer.problem(404, "PUT", TERMS.format(version="1999-01-01"))

    # Whoever says nothing acknowledges it by going on.
    eventually(lambda: own(influencer, version)["state"] == "in_force")
    quiet.sign_in()
    assert own(quiet, version)["how"] == "continued_use"
    first = own(quiet, version)["acknowledged_at"]
    quiet.done("POST", "/session/token")
    assert own(quiet, version)["acknowledged_at"] == first
    assert {each["state"] for each in quiet.get("/me/consents")["items"]} == {"not_given"}

    (mail,) = eventually(lambda: mails_to(platform, influencer.email, SUBJECT))
    assert published["document_url"] in mail["text"]

    def counted(person: Browser, **at: str) -> dict[str, Any]:
        answer = officer.get("/audit/policies/in-force", subject=person.account_id, **at)
        return {each["policy"]: each for each in answer["policies"]}

    eventually(lambda: (counted(influencer).get("terms") or {}).get("told"))
    told, unheard = counted(influencer)["terms"], eventually(lambda: counted(quiet)["terms"]["acknowledgement"])
    assert told["acknowledgement"]["how"] == "explicit"
    assert unheard["how"] == "continued_use"
    assert counted(quiet)["terms"]["told"] is None
    assert counted(quiet)["privacy_policy"]["acknowledgement"]["how"] == "registration"
    before = counted(influencer, at=rfc3339(clock.now() - timedelta(hours=1)))
    assert "terms" not in before
    assert before["privacy_policy"]["policy_version"] == FIRST_POLICY_VERSION
    assert before["privacy_policy"]["acknowledgement"] is None
    for record in (told["record_id"], told["told"]["record_id"], told["acknowledgement"]["record_id"]):
        assert officer.get(f"/audit/records/{record}")["state"] == "published"

    eventually(lambda: "policies_in_force" in questions(officer, f"subject:{influencer.account_id}"))


def test_an_officer_reads_the_processing_register_and_the_data_map(officer: Browser, okacrm: Any) -> None:
    answered = officer.get("/audit/processing-register")
    printed = okacrm("privacy", "map", "--json")
    assert answered == json.loads(printed.stdout)
    eventually(lambda: "processing_register" in questions(officer))


def test_an_officer_alone_publishes_and_what_was_refused_is_told(
    influencer: Browser, officer: Browser, somebody: Any
) -> None:
    influencer.problem(403, "POST", "/audit/policies", edition())
    officer.problem(403, "POST", "/audit/policies", edition(), headers=officer.bearer("compliance"))
    stepped_up = officer.bearer("compliance", stepped_up=True)
    hasty = edition(policy_version="2099-01-01", material=True, notice_days=7)
    assert (
        officer.problem(422, "POST", "/audit/policies", hasty, headers=stepped_up)["code"] == "policy-notice-too-short"
    )
    late = edition(policy="privacy_policy", policy_version="2099-01-01", effective_at="2099-01-01T00:00:00Z")
    key = {"Idempotency-Key": str(uuid4())}
    once = officer.done("POST", "/audit/policies", late, headers=stepped_up | key)
    assert officer.done("POST", "/audit/policies", late, headers=stepped_up | key) == once
    where = "/audit/policies/privacy_policy/2099-01-01"
    officer.done("PUT", f"{where}/withdrawal", headers=stepped_up)
    listed = eventually(
        lambda: [
            each
            for each in officer.get("/audit/policies")["items"]
            if each["policy_version"] == "2099-01-01" and each["state"] == "withdrawn"
        ]
    )
    assert listed[0]["withdrawal_record_id"]
    assert "2099-01-01" not in {each["policy_version"] for each in officer.get("/policies")["items"]}
