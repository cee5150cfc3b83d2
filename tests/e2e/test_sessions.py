"""Sessions under attack: fixation, tokens after their end, cookies of another guard, and sessions of other people."""

from __future__ import annotations

import uuid

from tests.e2e.conftest import Browser
from tests.making import eventually

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)


def same_person(browser: Browser, user_agent: str = FIREFOX) -> Browser:
    """The same person at another browser, signed in."""
    other = Browser(browser.base_url)
    other.email = browser.email
    other.http.headers["User-Agent"] = user_agent
    other.sign_in()
    return other


def endings(identity, session_id: str) -> list[str]:
    return [
        row[0]
        for row in identity.execute(
            """
            SELECT convert_from(body, 'UTF8')::json->'data'->>'ending' FROM events
            WHERE stream = 'session-' || %s AND type = 'okacrm.identity.session_closed'
            """,
            [session_id],
        )
    ]


def test_the_list_tells_a_person_where_they_are_signed_in(influencer):
    phone = same_person(influencer, IPHONE)
    here, there = phone.get("/me/sessions")["items"]
    assert (here["device"], here["current"], here["guard"]) == ("Mobile Safari on iOS", True, "influencer")
    assert (here["ip_address"], here["place"]) == ("127.0.0.1", None)
    assert (there["device"], there["current"]) == ("Python Requests", False)
    assert there["opened_at"] <= there["last_used_at"] <= there["expires_at"]
    assert there["session_id"] == influencer.get("/session")["session_id"]


def test_signing_in_again_at_a_browser_replaces_the_session(influencer, identity):
    before = influencer.get("/session")["session_id"]
    cookies = dict(influencer.http.cookies)
    influencer.sign_in()
    after = influencer.get("/session")["session_id"]
    assert after != before
    assert endings(identity, before) == ["replaced"]
    assert [each["session_id"] for each in influencer.get("/me/sessions")["items"]] == [after]
    old = Browser(influencer.base_url)
    old.http.cookies.update(cookies)
    eventually(lambda: old.request("GET", "/me").status_code == 401)


def test_a_session_that_an_attacker_planted_is_not_the_one_a_person_signs_in_to(influencer, visitor):
    """Session fixation: whoever knows the cookie that a browser held before knows nothing afterwards."""
    planted = influencer.http.cookies["okacrm_influencer"]
    visitor.http.cookies.update(influencer.http.cookies)
    visitor.register()
    visitor.sign_in()
    assert visitor.http.cookies["okacrm_influencer"] != planted
    assert visitor.get("/me")["account_id"] == visitor.account_id
    eventually(lambda: influencer.request("GET", "/me").status_code == 401)


def test_a_renewed_token_takes_the_place_of_the_one_before(influencer):
    before, held = influencer.get("/session"), influencer.http.cookies["okacrm_influencer"]
    renewed = influencer.done("POST", "/session/token")
    assert (renewed["session_id"], renewed["expires_at"]) == (before["session_id"], before["expires_at"])
    assert influencer.http.cookies["okacrm_influencer"] != held
    assert "access_token" not in renewed
    influencer.http.headers["X-CSRF-Token"] = renewed["csrf_token"]
    influencer.done("PUT", "/me/consents/product_news")
    thief = Browser(influencer.base_url)
    thief.http.cookies.set("okacrm_influencer", held)
    eventually(lambda: thief.request("GET", "/me").status_code == 401)


def test_a_token_replayed_after_sign_out_is_refused_and_noticed(influencer, identity, officer):
    cookies = dict(influencer.http.cookies)
    influencer.done("DELETE", "/session")
    replay = Browser(influencer.base_url)
    replay.http.cookies.update(cookies)
    assert replay.problem(401, "GET", "/me")["code"] == "not-signed-in"
    assert noticed(officer, "token_misused", influencer.account_id) == []  # it may have been under way

    identity.execute(
        "UPDATE ended_tokens SET ended_at = ended_at - interval '1 minute' WHERE account_id = %s",
        [influencer.account_id],
    )
    for _ in range(3):
        assert replay.problem(401, "GET", "/me")["code"] == "not-signed-in"
    (signal,) = noticed(officer, "token_misused", influencer.account_id)
    assert signal["detail"] == "after_its_end"


def test_a_cookie_of_one_guard_opens_nothing_under_another(influencer, officer):
    token = influencer.http.cookies["okacrm_influencer"]
    thief = Browser(influencer.base_url)
    for guard in ("client", "compliance", "staff"):
        thief.http.cookies.clear()
        thief.http.cookies.set(f"okacrm_{guard}", token)
        assert thief.problem(401, "GET", "/me")["code"] == "not-signed-in"
        assert thief.problem(401, "GET", "/audit/records")["code"] == "not-signed-in"


def test_what_a_session_may_not_do_is_noticed_once(influencer, officer):
    for _ in range(3):
        influencer.problem(403, "GET", "/audit/records")
    influencer.problem(403, "PATCH", "/me", {"name": "Mallory"}, headers={"X-CSRF-Token": "forged"})
    found = eventually(
        lambda: len(signals := noticed(officer, "access_refused", influencer.account_id)) >= 2 and signals
    )
    assert sorted((each["detail"], each["operation"]) for each in found) == [
        ("cross_guard", "audit_list_records"),
        ("csrf", "identity_change_profile"),
    ]


def test_a_session_of_somebody_else_is_no_session_byte_for_byte(influencer, platform):
    other = Browser(platform.base_url)
    other.register()
    theirs = other.sign_in()["session_id"]
    ended = same_person(influencer)
    ended_id = ended.get("/session")["session_id"]
    ended.done("DELETE", "/session")
    headers = {"X-Request-Id": "the-same"}
    answers = [
        influencer.request("DELETE", f"/me/sessions/{id}", headers=headers) for id in (theirs, uuid.uuid4(), ended_id)
    ]
    assert [answer.status_code for answer in answers] == [404] * 3
    assert len({answer.content for answer in answers}) == 1
    assert other.get("/me")["account_id"] == other.account_id


def test_one_session_is_revoked(influencer):
    lost = same_person(influencer)
    influencer.done("DELETE", f"/me/sessions/{lost.get('/session')['session_id']}")
    eventually(lambda: lost.request("GET", "/me").status_code == 401)
    assert [each["current"] for each in influencer.get("/me/sessions")["items"]] == [True]


def test_all_other_sessions_are_revoked(influencer):
    others = [same_person(influencer), same_person(influencer, IPHONE)]
    assert influencer.done("DELETE", "/me/sessions") == {"ended": 2}
    for other in others:
        eventually(lambda other=other: other.request("GET", "/me").status_code == 401)
    assert influencer.get("/me")["account_id"] == influencer.account_id


def test_a_session_that_is_not_used_ends(influencer, identity):
    session_id = influencer.get("/session")["session_id"]
    identity.execute(
        "UPDATE session_tokens SET last_used_at = last_used_at - interval '3 hours' WHERE session_id = %s",
        [session_id],
    )
    eventually(lambda: influencer.request("GET", "/me").status_code == 401)
    assert endings(identity, session_id) == ["idle"]


def test_the_last_use_of_a_session_is_known_to_the_minute(influencer, identity):
    def last_used_at():
        return identity.execute(
            "SELECT last_used_at FROM session_tokens WHERE account_id = %s", [influencer.account_id]
        ).fetchone()[0]

    opened = last_used_at()
    influencer.get("/me")
    assert last_used_at() == opened
    identity.execute(
        "UPDATE session_tokens SET last_used_at = last_used_at - interval '2 minutes' WHERE account_id = %s",
        [influencer.account_id],
    )
    eventually(lambda: influencer.get("/me") and last_used_at() >= opened)


def test_a_new_device_is_a_signal_and_the_first_is_not(influencer, officer):
    assert noticed(officer, "new_device", influencer.account_id) == []
    phone = same_person(influencer, IPHONE)
    same_person(influencer, IPHONE)
    (signal,) = noticed(officer, "new_device", influencer.account_id)
    assert signal["signal_id"] == phone.get("/session")["session_id"]


def test_where_a_person_comes_from_is_sealed_as_technical_data(visitor, officer):
    visitor.register(referral="autumn-fair")
    visitor.sign_in()
    registered = record_of(officer, visitor.account_id, "account_registered")
    opened = record_of(officer, visitor.account_id, "session_opened")
    for record, fields in ((registered, {"referral"}), (opened, {"ip_address", "device"})):
        assert {each["field"] for each in record["sealed"] if each["category"] == "technical"} == fields


def record_of(officer: Browser, account_id: str, name: str) -> dict:
    """The newest record of one kind about a person, once there is one."""
    query = f"subject:{account_id} type:identity.{name}"
    return eventually(lambda: officer.get("/audit/records", q=query)["items"])[0]


def test_signals_are_for_those_who_watch(influencer, officer):
    assert influencer.problem(403, "GET", "/security/signals")["code"] == "wrong-guard"
    influencer.problem(403, "GET", "/audit/completeness")
    eventually(lambda: noticed(officer, "access_refused", influencer.account_id))
    first = officer.get("/security/signals", limit=1)
    second = officer.get("/security/signals", limit=1, cursor=first["next_cursor"])
    assert second["items"][0]["signal_id"] < first["items"][0]["signal_id"]
    assert second["items"][0]["occurred_at"] <= first["items"][0]["occurred_at"]
    counts = {each["kind"]: each["signals"] for each in officer.get("/security/signals/counts")["counts"]}
    assert counts["access_refused"] >= 1


def noticed(officer: Browser, kind: str, account_id: str) -> list[dict]:
    """The signals of one kind about one person."""
    found = officer.get("/security/signals", kind=kind, limit=200)["items"]
    return [each for each in found if each["account_id"] == account_id]
