"""Two stories through HTTP: a squatter on somebody's address, and a member of staff who wants more than is theirs."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from deploy.local.platform import Platform
from tests.e2e.conftest import Browser
from tests.e2e.mailbox import CONFIRM, mails_to, token_sent_to
from tests.e2e.test_sessions import noticed
from tests.e2e.test_tokens import token_request
from tests.making import PASSWORD, eventually

RESET = "Choose a new password"
REGISTERED_ALREADY = "You already have an account with us"
ONE_OF_THE_HOUSE = "You may now act for the house"
NO_LONGER = "You may no longer act for the house"
OWN_PASSWORD = "crimson-otter-meadow-17"


def test_a_squatter_on_an_address_is_gone_once_its_owner_comes(platform: Platform) -> None:
    """Somebody registers a victim's address; whatever they begin ends when the victim proves the mailbox."""
    squatter = Browser(platform.base_url)
    squatter.register()
    squatter.sign_in()
    squatter.step_up()
    for method, path, body in (
        ("POST", "/me/authenticator", None),
        ("POST", "/me/tokens", token_request("profile:read")),
        ("POST", "/me/guards", {"guard": "client"}),
        ("POST", "/workspaces", {"name": "Squat"}),
    ):
        assert squatter.problem(403, method, path, body)["code"] == "email-not-verified"

    # The victim comes upon the mail, and follows the link without having an account: it opens nothing to anybody.
    victim = Browser(platform.base_url)
    token = {"token": token_sent_to(platform, squatter.email, CONFIRM)}
    assert victim.problem(401, "POST", "/email-verifications", token)["code"] == "not-signed-in"
    assert squatter.get("/me")["email_verified"] is False

    # They register, are answered as anybody is, and told by mail what to do.
    victim.register(email=squatter.email, password=OWN_PASSWORD)
    assert victim.account_id != squatter.account_id
    eventually(lambda: mails_to(platform, squatter.email, REGISTERED_ALREADY))
    victim.done("POST", "/password-reset-requests", {"email": squatter.email})
    reset = {"token": token_sent_to(platform, squatter.email, RESET), "password": OWN_PASSWORD}
    victim.done("POST", "/password-resets", reset)

    victim.sign_in(password=OWN_PASSWORD)
    assert victim.get("/me")["email_verified"] is True
    eventually(lambda: squatter.request("GET", "/me").status_code == 401)
    body = {"email": squatter.email, "password": PASSWORD, "guard": "influencer"}
    assert squatter.problem(401, "POST", "/sessions", body)["code"] == "sign-in-refused"
    victim.done("POST", "/workspaces", {"name": "Mine"})


def test_nobody_makes_an_officer_alone(
    platform: Platform, influencer: Browser, somebody: Callable[[str], Browser], officer: Browser
) -> None:
    """Staff wants to read the log by an account of their own making, and by one whose address is verified."""
    staff, colleague = somebody("staff"), influencer
    staff.step_up()
    path, guard = "/staff/accounts/{}/guards", {"guard": "compliance"}
    assert staff.problem(403, "POST", path.format(staff.account_id), guard)["code"] == "own-account"
    puppet = Browser(platform.base_url)
    puppet.register()
    refused = staff.problem(403, "POST", path.format(puppet.account_id), guard)
    assert refused["code"] == "email-not-verified"

    asked = staff.done("POST", path.format(colleague.account_id), guard)
    deciding = f"/staff/guard-requests/{asked['request_id']}"
    assert staff.problem(403, "PUT", f"{deciding}/approval")["code"] == "own-request"
    signing_in = {"email": colleague.email, "password": PASSWORD, "guard": "compliance"}
    assert colleague.problem(403, "POST", "/sessions", signing_in)["code"] == "guard-not-held"
    assert noticed(officer, "guard_requested", colleague.account_id)

    waiting = {each["request_id"]: each for each in officer.get("/staff/guard-requests")["items"]}
    assert waiting[asked["request_id"]]["requested_by"] == staff.account_id
    officer.step_up()
    officer.done("PUT", f"{deciding}/approval")
    assert officer.problem(410, "PUT", f"{deciding}/refusal")["code"] == "guard-request-closed"
    eventually(lambda: mails_to(platform, colleague.email, ONE_OF_THE_HOUSE))
    assert noticed(officer, "guard_added", colleague.account_id)
    eventually(lambda: colleague.request("GET", "/me").status_code == 401)

    colleague.http.cookies.clear()
    colleague.sign_in("compliance")
    assert colleague.problem(403, "GET", "/audit/records")["code"] == "second-factor-missing"
    colleague.enrol()
    secret = colleague.done("POST", "/me/tokens", token_request("audit:read"))["token"]
    program = {"Authorization": f"Bearer {secret}", "X-Request-Id": uuid.uuid4().hex}
    Browser(platform.base_url).done("GET", "/audit/records", headers=program)

    staff.step_up()
    staff.done("DELETE", path.format(colleague.account_id) + "/compliance")
    reader = Browser(platform.base_url)
    eventually(lambda: reader.request("GET", "/audit/records", headers=program).status_code == 401)
    eventually(lambda: mails_to(platform, colleague.email, NO_LONGER))
    assert noticed(officer, "guard_revoked", colleague.account_id)
