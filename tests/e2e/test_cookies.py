"""Visitors and people choose about cookies, and compliance sees what they chose at any moment."""

from __future__ import annotations

from uuid import UUID

import pytest

from shared.contracts.vocabulary import COOKIE_WORDINGS
from tests.e2e.conftest import Browser
from tests.making import eventually

COOKIE = "okacrm_visitor"
SIGNAL = {"Sec-GPC": "1"}


def choose(browser, *, preferences=False, analytics=False, **options):
    choice = {"preferences": preferences, "analytics": analytics, "wording_version": COOKIE_WORDINGS[-1]}
    return browser.done("PUT", "/cookie-choices", choice, **options)


def states(answer):
    return {each["category"]: each["state"] for each in answer["categories"] if each["state"] != "necessary"}


def visitor_of(browser):
    """The subject id that stands in the cookie of a visitor."""
    return str(UUID(browser.http.cookies[COOKIE].partition(".")[0]))


def history(officer, subject, wanted):
    """What the log knows of a subject's consents, once it knows so many changes."""

    def known():
        answer = officer.get("/audit/consents", subject=subject)
        return answer if len(answer["history"]) >= wanted else None

    return eventually(known)


def standing(officer, subject, **moments):
    answer = officer.get("/audit/consents", subject=subject, **moments)
    return {each["purpose"]: each["state"] for each in answer["consents"]}


def test_nothing_is_set_before_a_choice_and_a_refusal_is_one_call(visitor, officer):
    answer = visitor.request("GET", "/cookie-choices")
    assert "Set-Cookie" not in answer.headers
    assert states(answer.json()) == {"preferences": "not_chosen", "analytics": "not_chosen"}
    refused = choose(visitor)
    assert states(refused) == {"preferences": "refused", "analytics": "refused"}
    assert states(visitor.get("/cookie-choices")) == states(refused)
    assert set(visitor.http.cookies.keys()) == {COOKIE}
    recorded = history(officer, visitor_of(visitor), 2)["history"]
    assert {(each["purpose"], each["state"]) for each in recorded} == {
        ("cookies_preferences", "refused"),
        ("cookies_analytics", "refused"),
    }


def test_what_was_chosen_is_told_as_of_any_moment(visitor, officer):
    first = choose(visitor, analytics=True)
    subject = visitor_of(visitor)
    choose(visitor, analytics=False, preferences=True)
    recorded = history(officer, subject, 4)["history"]
    before, after = recorded[0]["effective_at"], recorded[-1]["effective_at"]
    assert standing(officer, subject, as_of=before) == {
        "cookies_preferences": "refused",
        "cookies_analytics": "granted",
    }
    assert standing(officer, subject, as_of=after) == {
        "cookies_preferences": "granted",
        "cookies_analytics": "withdrawn",
    }
    assert standing(officer, subject, as_of="2026-01-01T00:00:00Z") == {}
    ends = next(each["expires_at"] for each in first["categories"] if each["category"] == "analytics")
    assert standing(officer, subject, as_of=ends)["cookies_analytics"] == "withdrawn"
    assert set(standing(officer, subject, as_of="2028-01-01T00:00:00Z").values()) == {"expired"}


def test_the_signal_of_the_browser_is_an_objection_on_record(visitor, officer):
    heard = visitor.done("GET", "/cookie-choices", headers=SIGNAL)
    assert (heard["signal_heard"], heard["sharing_objected"], states(heard)["analytics"]) == (True, True, "objected")
    assert states(choose(visitor, analytics=True, headers=SIGNAL))["analytics"] == "granted"
    recorded = history(officer, visitor_of(visitor), 4)
    assert [(each["purpose"], each["state"]) for each in recorded["history"]] == [
        ("cookies_analytics", "objected"),
        ("sharing", "objected"),
        ("cookies_preferences", "refused"),
        ("cookies_analytics", "granted"),
    ]
    assert visitor.get("/cookie-choices")["sharing_objected"] is True


def test_a_visitor_goes_on_in_the_account_and_ends(visitor, platform, officer):
    choose(visitor, analytics=True, headers=SIGNAL)
    subject = visitor_of(visitor)
    token = visitor.http.cookies[COOKIE]
    visitor.register()
    assert COOKIE not in visitor.http.cookies
    visitor.sign_in()
    mine = visitor.get("/cookie-choices")
    assert (mine["holder"], mine["sharing_objected"]) == ("account", True)
    assert states(mine) == {"preferences": "refused", "analytics": "granted"}
    history(officer, visitor.account_id, 3)
    assert standing(officer, visitor.account_id)["cookies_analytics"] == "granted"
    assert set(standing(officer, subject).values()) == {"carried_over"}
    carried_over = f"subject:{subject} type:identity.cookie_consent_carried_over"
    links = eventually(lambda: officer.get("/audit/records", q=carried_over)["items"])
    assert {tuple(each["subjects"]) for each in links} == {(subject, visitor.account_id)}
    kept = Browser(platform.base_url).done("GET", "/cookie-choices", headers={"Cookie": f"{COOKIE}={token}"})
    assert states(kept) == {"preferences": "not_chosen", "analytics": "not_chosen"}


def test_a_choice_belongs_to_the_person_in_all_their_sessions(influencer, platform):
    elsewhere = Browser(platform.base_url)
    elsewhere.email = influencer.email
    elsewhere.sign_in()
    choose(influencer, preferences=True)
    assert COOKIE not in influencer.http.cookies
    assert states(elsewhere.get("/cookie-choices")) == {"preferences": "granted", "analytics": "refused"}


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://elsewhere.example"}])
def test_a_page_of_others_chooses_for_nobody(influencer, headers):
    if not headers:
        del influencer.http.headers["X-CSRF-Token"]
    choice = {"preferences": True, "analytics": True, "wording_version": COOKIE_WORDINGS[-1]}
    refused = influencer.problem(403, "PUT", "/cookie-choices", choice, headers=headers)
    assert refused["code"] == "csrf-failed"
    assert states(influencer.get("/cookie-choices"))["analytics"] == "not_chosen"
