"""To whom somebody's data went: entered by an officer, shown to the person, found again in the log."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from shared.contracts.times import rfc3339
from tests.making import eventually


def recipient_body(**changes):
    """What an officer enters about a recipient."""
    return {
        "kind": "authority",
        "legal_name": "Landgericht Köln",
        "role": "controller",
        "country": "DE",
        "transfer_mechanism": "none_needed",
        "document_reference": "ZPO-142",
        "valid_from": "2026-01-01T00:00:00Z",
    } | changes


def disclosure_body(recipient_id, *subjects, **changes):
    """What an officer records about a disclosure to a recipient."""
    return {
        "recipient_id": recipient_id,
        "subjects": list(subjects),
        "categories": ["identity", "financial"],
        "purpose": "legal_demand",
        "legal_basis": "legal_obligation",
        "document_reference": "28-O-12/26",
    } | changes


def to_court(person, court, **query):
    """What a person sees of disclosures to the court; mails that a vendor carried are there as well."""
    items = person.get("/me/disclosures", **query)["items"]
    return [each for each in items if each["recipient"]["recipient_id"] == court]


def questions(officer, person, question):
    """What was asked of the log about a person."""
    items = officer.get("/audit/records", q=f"subject:{person.account_id} type:audit.question_asked")["items"]
    return [item["data"] for item in items if item["data"]["question"] == question]


def known_to_the_log(officer, person):
    return eventually(lambda: officer.get("/audit/records", q=f"subject:{person.account_id}", limit=1)["items"])


@pytest.fixture(scope="module")
def court(officer):
    """A court in its second version; the first one was in force until the end of June."""
    entered = officer.done("POST", "/audit/recipients", recipient_body())
    revised = recipient_body(legal_name="Oberlandesgericht Köln", valid_from="2026-07-01T00:00:00Z")
    del revised["kind"]
    changed = officer.done("PUT", f"/audit/recipients/{entered['recipient_id']}", revised)
    assert changed["recipient_version"] == 2
    return entered["recipient_id"]


def test_a_person_learns_the_actual_recipients_and_the_officer_finds_the_records(influencer, officer, court):
    """From the order of a court to what its person sees (Art. 15(1)(c) GDPR, CJEU C-154/21)."""
    known_to_the_log(officer, influencer)
    first = disclosure_body(court, influencer.account_id, disclosed_at="2026-03-01T10:00:00Z")
    officer.done("POST", "/audit/disclosures", first)
    officer.done("POST", "/audit/disclosures", disclosure_body(court, influencer.account_id))
    gagged = {"withheld_until": rfc3339(datetime.now(UTC) + timedelta(days=90)), "withholding_reference": "STPO-101/5"}
    officer.done("POST", "/audit/disclosures", disclosure_body(court, influencer.account_id, **gagged))

    now, then = eventually(lambda: own if len(own := to_court(influencer, court)) == 2 else None)
    assert then["recipient"] == {
        "recipient_id": court,
        "version": 1,
        "kind": "authority",
        "legal_name": "Landgericht Köln",
        "role": "controller",
        "country": "DE",
        "transfer_mechanism": "none_needed",
    }
    assert now["recipient"]["legal_name"] == "Oberlandesgericht Köln"
    assert (then["purpose"], then["legal_basis"], then["categories"]) == (
        "legal_demand",
        "legal_obligation",
        ["financial", "identity"],
    )
    assert not {"designated_by", "withheld_until", "document_reference"} & now.keys()

    def found_by_officer():
        listed = officer.get("/audit/disclosures", subject=influencer.account_id, recipient=court)["items"]
        return listed if len(listed) == 3 else None

    listed = eventually(found_by_officer)
    assert {each["designated_by"] for each in listed} == {officer.account_id}
    assert {each["withholding_reference"] for each in listed} == {None, "STPO-101/5"}
    officer.done("POST", f"/audit/records/{now['record_id']}/corrections", {"reason": "entered_twice"})
    corrected = eventually(lambda: [own for own in to_court(influencer, court) if own["corrections"]])
    assert [own["record_id"] for own in corrected] == [now["record_id"]]
    assert corrected[0]["corrections"][0]["reason"] == "entered_twice"

    query = f"recipient:{court} subject:{influencer.account_id} type:audit.disclosure_recorded"
    records = officer.get("/audit/records", q=query)["items"]
    assert {record["id"] for record in records} == {each["record_id"] for each in listed}
    asked = eventually(lambda: questions(officer, influencer, "disclosures"))
    assert f"subject:{influencer.account_id} recipient:{court}" in {each["query"] for each in asked}
    counted = officer.get("/audit/disclosures/summary", since="2026-03-01", until="2026-03-01")
    (line,) = [each for each in counted["items"] if each["recipient_kind"] == "authority"]
    assert (line["country"], line["transfer_mechanism"]) == ("DE", "none_needed")
    assert 1 <= line["disclosures"] <= counted["disclosures"]


def test_pages_of_ones_own_list_lead_on_to_the_end(influencer, officer, court):
    known_to_the_log(officer, influencer)
    for month in (3, 4, 5):
        body = disclosure_body(court, influencer.account_id, disclosed_at=f"2026-0{month}-01T10:00:00Z")
        officer.done("POST", "/audit/disclosures", body)
    whole = eventually(lambda: own if len(own := to_court(influencer, court)) == 3 else None)
    paged, query = [], {"limit": 1}
    while query.get("cursor", "") is not None:
        paged += to_court(influencer, court, **query)
        query = {"limit": 1, "cursor": influencer.get("/me/disclosures", **query)["next_cursor"]}
    assert paged == whole
    assert [each["disclosed_at"][5:7] for each in whole] == ["05", "04", "03"]


def test_what_cannot_be_disclosed_is_refused_and_a_buyer_cannot_be_entered(influencer, officer, court):
    known_to_the_log(officer, influencer)
    person = influencer.account_id

    def refused(status, path, body):
        return officer.problem(status, "POST", path, body)["code"]

    for kind in ("buyer", "advertiser", "data_broker", "client_user"):
        assert refused(422, "/audit/recipients", recipient_body(kind=kind)) == "validation-failed"
    assert refused(422, "/audit/recipients", recipient_body(country="US")) == "transfer-mechanism-refused"
    assert refused(422, "/audit/disclosures", disclosure_body(court, str(uuid.uuid4()))) == "subject-unknown"
    assert refused(404, "/audit/disclosures", disclosure_body(str(uuid.uuid4()), person)) == "not-found"
    early = disclosure_body(court, person, disclosed_at="2025-12-31T23:59:59Z")
    assert refused(409, "/audit/disclosures", early) == "recipient-not-in-force"
    on_consent = disclosure_body(court, person, legal_basis="consent", consent_record_id=str(uuid.uuid4()))
    assert refused(422, "/audit/disclosures", on_consent) == "consent-not-cited"
    assert to_court(influencer, court) == []


def test_a_letter_is_a_disclosure_to_the_vendor_that_carries_mail(visitor, officer):
    mailer = recipient_body(
        kind="infrastructure_vendor", legal_name="Example Mail SAS", role="processor", country="FR", carries=["mail"]
    )
    del mailer["valid_from"]
    entered = officer.done("POST", "/audit/recipients", mailer)["recipient_id"]
    try:
        eventually(lambda: officer.request("GET", f"/audit/recipients/{entered}").ok)
        visitor.register()
        visitor.sign_in()
        (letter,) = eventually(lambda: visitor.get("/me/disclosures")["items"])
    finally:
        officer.done("DELETE", f"/audit/recipients/{entered}")
    assert letter["recipient"]["legal_name"] == "Example Mail SAS"
    assert (letter["purpose"], letter["legal_basis"]) == ("service_communications", "contract")


def test_the_register_shows_every_version_and_that_nothing_is_sold(officer, court):
    def read():
        answer = officer.request("GET", f"/audit/recipients/{court}")
        return answer.json() if answer.ok and len(answer.json()["versions"]) == 2 else None

    assert [each["legal_name"] for each in eventually(read)["versions"]] == [
        "Landgericht Köln",
        "Oberlandesgericht Köln",
    ]
    firm = officer.done("POST", "/audit/recipients", recipient_body(kind="advisor", legal_name="Wirtschaftskanzlei"))
    officer.done("DELETE", f"/audit/recipients/{firm['recipient_id']}")
    body = recipient_body()
    del body["kind"]
    assert officer.problem(409, "PUT", f"/audit/recipients/{firm['recipient_id']}", body)["code"] == "recipient-ended"

    def state(as_of):
        listed = officer.get("/audit/recipients", as_of=as_of, limit=200)["items"]
        return {each["recipient_id"]: each["state"] for each in listed}

    now = rfc3339(datetime.now(UTC))
    assert eventually(lambda: state(now).get(firm["recipient_id"]) == "ended")
    assert state("2026-06-01T00:00:00Z")[firm["recipient_id"]] == "in_force"
    kinds = officer.get("/audit/recipient-kinds")
    assert {each["kind"] for each in kinds["in_use"]} <= set(kinds["named_by_policy"])
