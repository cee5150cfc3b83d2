"""What a person was asked and said is theirs as a receipt, bears what is done, and is corrected by records alone."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from services.audit.tree import evidence
from services.audit.tree.notes import Verifier
from services.identity.projections import projections
from shared.contracts.identity import NoticeSent
from shared.contracts.times import rfc3339
from shared.runtime import clock
from shared.runtime.config import Settings
from shared.service.wiring import event_store, keyring
from tests.making import append_event, eventually

NEWS = {"kind": "product", "wordings": [{"language": "en", "subject": "News", "text": "There is something new."}]}


@pytest.fixture
def log_key(visitor):
    return Verifier.parse(visitor.request("GET", "/audit/log/key").text.strip())


@pytest.fixture
def store(platform):
    settings = Settings(platform.environment("service identity"))
    made = event_store("identity", settings, projections, keyring("identity", settings))
    yield made
    made.engine.dispose()


def receipt_of(person, state):
    """The person's receipt once the log has come so far."""

    def receipt():
        answer = person.request("GET", "/me/consents/product_news/receipt")
        assert answer.status_code in (200, 404, 409)
        return answer.json() if answer.ok and answer.json()["state"] == state else None

    return eventually(receipt)


def test_a_person_answers_the_words_they_were_shown_and_keeps_the_proof(influencer, officer, visitor, log_key):
    purposes = {each["id"]: each for each in visitor.get("/purposes")["items"]}
    first, *_, shown = [wording["version"] for wording in purposes["product_news"]["wordings"]]
    refused = influencer.problem(422, "PUT", f"/me/consents/product_news?wording_version={first}")
    assert refused["type"].endswith("wording-not-in-force")
    assert influencer.problem(404, "GET", "/me/consents/product_news/receipt")

    influencer.done("PUT", f"/me/consents/product_news?wording_version={shown}")
    given = receipt_of(influencer, "given")
    influencer.done("DELETE", "/me/consents/product_news")
    withdrawn = receipt_of(influencer, "withdrawn")

    assert given["record_metadata"]["pii_principal_id"] == influencer.account_id
    assert given["pii_processing"]["privacy_notice"]["version"] == shown
    assert [each["event_state"] for each in withdrawn["events"]] == ["given", "withdrawn"]
    proven = evidence.verify(withdrawn["evidence"].encode(), [log_key])
    assert [each.leaf.event_id for each in proven.records] == [each["record_id"] for each in withdrawn["events"]]

    asked = {"subject": influencer.account_id, "purpose": "product_news"}
    assert officer.get("/audit/consent-receipts", **asked)["events"] == withdrawn["events"]
    history = officer.get("/audit/consents", subject=influencer.account_id)["history"]
    assert [(each["state"], each["wording_version"]) for each in history] == [("granted", shown), ("withdrawn", None)]


def test_what_is_sent_cites_its_consent_and_what_rests_on_none_is_found_and_corrected(
    platform, store, influencer, officer, somebody
):
    since = rfc3339(clock.now())
    influencer.done("PUT", "/me/consents/product_news")
    staff = somebody("staff")
    staff.done("POST", "/staff/announcements", NEWS, headers=staff.bearer("staff", stepped_up=True))

    def of(kind):
        query = f"subject:{influencer.account_id} type:identity.{kind}"
        return officer.get("/audit/records", q=query)["items"]

    def told_the_news():
        return [record for record in of("notice_sent") if record["data"]["kind"] == "product"]

    (sent,) = eventually(told_the_news)
    (granted,) = of("consent_granted")
    assert sent["data"]["relied_on"] == granted["id"]

    influencer.done("DELETE", "/me/consents/product_news")
    planted = append_event(
        store,
        NoticeSent(
            notice_id=uuid4(),
            account_id=UUID(influencer.account_id),
            about=uuid4(),
            kind="product",
            letter="announcement",
            channel="email",
            address=influencer.email,
            subject_line="News",
            language="en",
            relied_on=UUID(granted["id"]),
            sent_at=clock.now(),
        ),
    )

    def report():
        return officer.get("/audit/processing-without-basis", since=since)["items"]

    (violation,) = eventually(report)
    assert (violation["record_id"], violation["reason"]) == (str(planted.event_id), "withdrawn")
    assert violation["subject"] == influencer.account_id

    corrections = f"/audit/records/{planted.event_id}/corrections"
    stated = officer.done("POST", corrections, {"reason": "never_happened"})

    def shown(record_id):
        return officer.get(f"/audit/records/{record_id}")["corrections"]

    (correction,) = eventually(lambda: shown(planted.event_id))
    assert (correction["record_id"], correction["reason"]) == (stated["record_id"], "never_happened")
    officer.done("POST", f"/audit/records/{stated['record_id']}/corrections", {"reason": "wrong_content"})
    assert eventually(lambda: shown(stated["record_id"]))[0]["reason"] == "wrong_content"
    officer.problem(404, "POST", f"/audit/records/{uuid4()}/corrections", {"reason": "never_happened"})
    officer.problem(404, "POST", corrections, {"reason": "entered_twice", "replaced_by": str(uuid4())})
