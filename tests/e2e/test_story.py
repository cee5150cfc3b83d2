"""A person registers, signs in, grants and withdraws consents; compliance finds, reads, proves and verifies it."""

from __future__ import annotations

import json
import re

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.audit.tree import evidence
from services.audit.tree.evidence import EvidenceInvalid
from services.audit.tree.merkle import verify_consistency
from services.audit.tree.notes import Verifier, decode_base64, verify_checkpoint
from tests.making import eventually

WHATEVER_POLICIES = "-type:identity.policy_acknowledged"
"""Whether signing in acknowledges a policy depends on what was published on this platform before."""


def records_of(officer, subject, wanted):
    """The person's records, oldest first, once there are `wanted` of them; without those of our own questions.

    Who registers is asked to confirm their address, and that they were is one more record, at a time of its own.
    """

    def page():
        query = f"subject:{subject} publisher:identity {WHATEVER_POLICIES}"
        items = officer.get("/audit/records", q=query, limit=200)["items"]
        return items[::-1] if len(items) > wanted and "notice_sent" in names(items) else None

    return eventually(page)


def names(records):
    return [record["type"].rsplit(".", 1)[-1] for record in records]


@pytest.fixture
def log_key(visitor):
    return Verifier.parse(visitor.request("GET", "/audit/log/key").text.strip())


@pytest.fixture
def influencer(unverified):
    """Somebody of whom nothing is on record but what a test has them do, and their registration."""
    return unverified


def test_every_step_of_a_person_reaches_the_audit_log_in_order(influencer, officer):
    influencer.done("PUT", "/me/consents/product_news")
    influencer.done("DELETE", "/me/consents/product_news")
    influencer.done("PATCH", "/me", {"name": "Ada King"})
    influencer.done("DELETE", "/session")
    records = records_of(officer, influencer.account_id, 7)
    assert [name for name in names(records) if name != "notice_sent"] == [
        "account_registered",
        "account_verification_requested",
        "session_opened",
        "consent_granted",
        "consent_withdrawn",
        "account_profile_changed",
        "session_closed",
    ]
    assert [field["field"] for field in records[0]["sealed"]] == ["country", "email", "name", "time_zone"]
    granted = records[names(records).index("consent_granted")]
    assert granted["actor"] == f"influencer:{influencer.account_id}"
    assert {record["subjects"][0] for record in records} == {influencer.account_id}


def test_a_profile_is_read_and_corrected(influencer):
    profile = influencer.get("/me")
    assert (profile["email"], profile["guards"]) == (influencer.email, ["influencer"])
    changed = influencer.done("PATCH", "/me", {"time_zone": "Asia/Tokyo"})
    assert (changed["time_zone"], changed["name"]) == ("Asia/Tokyo", profile["name"])
    assert influencer.get("/me")["time_zone"] == "Asia/Tokyo"


def test_a_look_up_finds_by_exact_address_and_is_on_record(influencer, officer):
    found = officer.done("POST", "/audit/subject-lookups", {"email": influencer.email.upper()})
    assert found["subject"] == influencer.account_id
    assert "subject_looked_up" in names(records_of(officer, influencer.account_id, 4))
    missed = officer.done("POST", "/audit/subject-lookups", {"email": f"x{influencer.email}"})
    assert (missed["found"], missed["subject"]) == (False, None)


def test_consents_are_answered_as_of_any_moment_and_as_known_at_any(influencer, officer):
    granted = influencer.done("PUT", "/me/consents/usage_analytics")
    withdrawn = influencer.done("DELETE", "/me/consents/usage_analytics")
    records = records_of(officer, influencer.account_id, 5)

    def standing(**moments):
        answer = officer.get("/audit/consents", subject=influencer.account_id, **moments)
        return [(each["purpose"], each["state"]) for each in answer["consents"]]

    assert standing() == [("usage_analytics", "withdrawn")]
    assert standing(as_of=granted["effective_at"]) == [("usage_analytics", "granted")]
    assert standing(as_of=withdrawn["effective_at"]) == [("usage_analytics", "withdrawn")]
    assert standing(as_of=records[0]["occurred_at"]) == []
    assert standing(known_at=records[0]["occurred_at"]) == []
    history = officer.get("/audit/consents", subject=influencer.account_id)["history"]
    assert [each["state"] for each in history] == ["granted", "withdrawn"]


def test_records_are_filtered_and_paged_without_gap_or_repetition(influencer, officer):
    for purpose in ("product_news", "usage_analytics", "partner_introductions"):
        influencer.done("PUT", f"/me/consents/{purpose}")
    whole = records_of(officer, influencer.account_id, 6)[::-1]
    paged, cursor = [], None
    while True:
        asked = f"subject:{influencer.account_id} publisher:identity {WHATEVER_POLICIES}"
        query = {"q": asked, "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = officer.get("/audit/records", **query)
        paged += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert paged == whole

    def ids(query):
        asked = f"subject:{influencer.account_id} {WHATEVER_POLICIES} {query}"
        return {item["id"] for item in officer.get("/audit/records", q=asked)["items"]}

    granted = {item["id"] for item in whole if item["type"].endswith("consent_granted")}
    registered = {item["id"] for item in whole if item["occurred_at"] == whole[-1]["occurred_at"]}
    assert ids("type:identity.consent_granted") == granted
    assert ids("publisher:identity -type:identity.consent_granted") == {item["id"] for item in whole} - granted
    assert ids(f"actor:influencer:{influencer.account_id}") == granted
    assert ids("publisher:identity") == {item["id"] for item in whole}
    assert ids("publisher:identity -publisher:identity") == set()
    refused = officer.problem(422, "GET", "/audit/records", params={"q": "publisher:billing"})
    assert refused["errors"][0]["message"].startswith("There is no such publisher")
    assert ids(f"publisher:identity occurred:{whole[0]['occurred_at']}..") == {whole[0]["id"]}
    assert ids(f"occurred:{whole[-1]['occurred_at']}") == registered


def test_the_log_is_complete_and_says_so(influencer, officer):
    records_of(officer, influencer.account_id, 3)

    def complete():
        _, identity = officer.get("/audit/completeness")["publishers"]
        return identity if identity["lag"] == 0 else None

    identity = eventually(complete)
    assert (identity["audited_from"], identity["contiguous"]) == (1, True)
    assert identity["audited_to"] == identity["head"]


def test_a_bundle_verifies_offline_and_at_the_command_line(influencer, officer, log_key, okacrm, tmp_path):
    record = records_of(officer, influencer.account_id, 3)[0]
    bundle = officer.request("GET", f"/audit/records/{record['id']}/proof", headers={"Accept": "application/json"})
    verified = evidence.verify(bundle.content, [log_key])
    assert verified.records[0].leaf.event_id == record["id"]
    (tmp_path / "bundle.json").write_bytes(bundle.content)
    (tmp_path / "key").write_text(str(log_key))
    accepted = okacrm("audit", "verify", str(tmp_path / "bundle.json"), "--key", f"@{tmp_path / 'key'}")
    assert accepted.returncode == 0, accepted.stderr
    assert record["id"] in accepted.stdout
    (tmp_path / "bundle.json").write_bytes(bundle.content.replace(b"identity", b"Identity", 1) + b" ")
    refused = okacrm("audit", "verify", str(tmp_path / "bundle.json"), "--key", f"@{tmp_path / 'key'}")
    assert refused.returncode == 1


def test_no_byte_of_a_bundle_can_be_changed(influencer, officer, log_key):
    record = records_of(officer, influencer.account_id, 3)[0]
    bundle = officer.request(
        "GET", f"/audit/records/{record['id']}/proof", headers={"Accept": "application/json"}
    ).content

    @settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.integers(0, len(bundle) - 1), st.integers(1, 255))
    def flip(place, difference):
        altered = bytearray(bundle)
        altered[place] ^= difference
        with pytest.raises(EvidenceInvalid):
            evidence.verify(bytes(altered), [log_key])

    flip()


def test_the_proof_is_a_tlog_proof_unless_asked_otherwise(influencer, officer):
    record = records_of(officer, influencer.account_id, 3)[0]
    proof = officer.request("GET", f"/audit/records/{record['id']}/proof")
    assert proof.headers["Content-Type"].startswith("text/plain")
    assert proof.text.startswith(f"c2sp.org/tlog-proof@v1\nindex {record['position']}\n")


def test_anybody_can_check_that_the_log_only_grows(influencer, officer, visitor, log_key):
    def checkpoint():
        return verify_checkpoint(visitor.request("GET", "/audit/log/checkpoint").text, [log_key])

    records_of(officer, influencer.account_id, 3)
    older = checkpoint()
    influencer.done("PUT", "/me/consents/product_news")
    records_of(officer, influencer.account_id, 4)
    newer = checkpoint()
    assert newer.size > older.size
    proof = visitor.get("/audit/log/consistency", **{"from": older.size, "to": newer.size})
    verify_consistency(
        older.size, older.root, newer.size, newer.root, [decode_base64(each) for each in proof["hashes"]]
    )


def test_the_leaf_of_a_record_is_what_the_record_says(influencer, officer):
    record = records_of(officer, influencer.account_id, 3)[1]
    detailed = officer.get(f"/audit/records/{record['id']}")
    leaf = json.loads(decode_base64(detailed["leaf"]))
    assert (leaf["event_id"], leaf["position"], leaf["type"]) == (
        record["id"],
        record["feed_position"],
        record["type"],
    )


def test_the_documentation_and_the_probes_are_served(platform):
    for path, kind in {
        "/docs": "text/html",
        "/openapi.json": "application/json",
        "/asyncapi.json": "application/json",
        "/healthz": "application/json",
        "/readyz": "application/json",
    }.items():
        answer = requests.get(platform.base_url + path, timeout=10)
        assert answer.status_code == 200, path
        assert answer.headers["Content-Type"].startswith(kind)
    assert requests.get(f"{platform.base_url}/metrics", timeout=10).status_code == 404
    assert "okacrm_http_requests_total" in requests.get(platform.metrics_url, timeout=10).text
    page = requests.get(platform.base_url + "/docs", timeout=10).text
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page), "the page fetches something from elsewhere"


def test_what_an_officer_asks_about_somebody_is_on_record(influencer, officer):
    """Questions are themselves answered for: who asked what about whom, in the query language."""
    officer.get("/audit/records", q=f"type:identity.session_opened subject:{influencer.account_id}")
    officer.get("/audit/consents", subject=influencer.account_id)
    (registered, *_) = records_of(officer, influencer.account_id, 3)
    officer.get(f"/audit/records/{registered['id']}")

    def asked():
        query = f"subject:{influencer.account_id} type:audit.question_asked actor:compliance:{officer.account_id}"
        found = [item["data"] for item in officer.get("/audit/records", q=query, limit=200)["items"]]
        return found if any(each["question"] == "record" for each in found) else None

    questions = eventually(asked)
    assert {"records", "consents", "record"} <= {each["question"] for each in questions}
    first = questions[-1]
    assert first["query"] == f"type:okacrm.identity.session_opened subject:{influencer.account_id}"
    assert {each.get("record_id") for each in questions if each["question"] == "record"} == {registered["id"]}


def test_records_are_counted_by_type_and_day(influencer, officer):
    records_of(officer, influencer.account_id, 3)
    counted = officer.get("/audit/facets", q=f"subject:{influencer.account_id} publisher:identity")
    assert counted["by_type"]["okacrm.identity.account_registered"] == 1
    assert counted["records"] == sum(counted["by_day"].values()) == counted["by_publisher"]["identity"]
    assert counted["complete"]
    assert officer.get("/audit/facets")["records"] >= counted["records"]


def test_a_query_that_cannot_be_read_is_pointed_at(officer):
    refused = officer.problem(422, "GET", "/audit/records", params={"q": "publisher:identity colour:red"})
    assert refused["errors"] == [
        {"query": "q", "message": refused["errors"][0]["message"], "position": 19, "length": 6},
    ]
