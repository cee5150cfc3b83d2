"""Through HTTP: an address is verified, a password reset, a second factor turned on, and an account closed."""

from __future__ import annotations

import time
from io import BytesIO
from uuid import UUID

import pytest
from PIL import Image
from pyotp import TOTP

from services.identity.accounts.aggregate import Account
from services.identity.accounts.links import EMAIL_CHANGE, PASSWORD_RESET, VERIFICATION, link_token
from services.identity.projections import projections
from shared.privacy.secrets import ServiceSecret
from shared.runtime.config import Settings
from shared.service.wiring import event_store, keyring
from tests.making import PASSWORD, email

ANOTHER = "violet-harbour-lantern-42"


@pytest.fixture
def mailed(platform):
    """Reads the token of a link as the mail to a person holds it."""
    settings = Settings(platform.environment("service identity"))
    store, secret = (
        event_store("identity", settings, projections, keyring("identity", settings)),
        ServiceSecret(settings.service_secret),
    )
    requests = {VERIFICATION: "verification", EMAIL_CHANGE: "email_change", PASSWORD_RESET: "password_reset"}

    def token(browser, purpose):
        request = getattr(store.load(Account, UUID(browser.account_id)), requests[purpose])
        return link_token(secret, purpose, request.id)

    yield token
    store.engine.dispose()


def test_an_address_is_verified_in_a_session_of_its_person(unverified, visitor, mailed):
    token = {"token": mailed(unverified, VERIFICATION)}
    assert visitor.problem(401, "POST", "/email-verifications", token)["code"] == "not-signed-in"
    visitor.register()
    visitor.sign_in()
    assert visitor.problem(410, "POST", "/email-verifications", token)["code"] == "link-invalid"
    unverified.done("POST", "/email-verifications", token)
    assert unverified.get("/me")["email_verified"] is True
    assert unverified.problem(410, "POST", "/email-verifications", token)["code"] == "link-invalid"
    assert unverified.request("POST", "/me/email-verification-requests").status_code == 202


def test_an_address_is_changed(influencer, visitor, mailed):
    new = email()
    influencer.step_up()
    assert influencer.request("POST", "/me/email-change-requests", {"new_email": new}).status_code == 202
    token = {"token": mailed(influencer, EMAIL_CHANGE)}
    assert visitor.problem(401, "POST", "/email-changes", token)["code"] == "not-signed-in"
    influencer.done("POST", "/email-changes", token)
    assert influencer.get("/me")["email"] == new
    visitor.email = new
    visitor.sign_in()


def test_a_forgotten_password_is_reset(influencer, visitor, mailed):
    answers = [
        visitor.request("POST", "/password-reset-requests", {"email": address})
        for address in (influencer.email, email())
    ]
    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"{}")] * 2
    body = {"token": mailed(influencer, PASSWORD_RESET), "password": ANOTHER}
    visitor.done("POST", "/password-resets", body)
    assert visitor.problem(410, "POST", "/password-resets", body)["code"] == "link-invalid"
    visitor.email = influencer.email
    visitor.sign_in(password=ANOTHER)


def test_a_password_is_changed(influencer, visitor):
    refused = {"current_password": ANOTHER, "new_password": ANOTHER}
    assert influencer.problem(403, "PUT", "/me/password", refused)["code"] == "password-refused"
    influencer.done("PUT", "/me/password", {"current_password": PASSWORD, "new_password": ANOTHER})
    assert influencer.get("/me")["email"] == influencer.email
    visitor.email = influencer.email
    visitor.sign_in(password=ANOTHER)


def test_a_second_factor_is_turned_on(influencer, visitor):
    assert influencer.problem(403, "POST", "/me/authenticator")["code"] == "step-up-required"
    influencer.step_up()
    totp = TOTP(influencer.done("POST", "/me/authenticator")["secret"])
    code = totp.now()
    codes = influencer.done("PUT", "/me/second-factor", {"one_time_code": code})["recovery_codes"]
    body = {"email": influencer.email, "password": PASSWORD, "guard": "influencer"}
    assert visitor.problem(401, "POST", "/sessions", body)["code"] == "second-factor-required"
    replayed = visitor.problem(403, "POST", "/sessions", body | {"one_time_code": code})
    assert replayed["code"] == "second-factor-refused"
    visitor.done("POST", "/sessions", body | {"one_time_code": totp.at(int(time.time()) + 30)})
    visitor.done("POST", "/sessions", body | {"one_time_code": codes[0]})
    influencer.done("DELETE", "/me/second-factor")
    visitor.done("POST", "/sessions", body)


def test_a_picture_is_drawn_anew(influencer):
    file = BytesIO()
    Image.effect_noise((1400, 1400), 80).save(file, "PNG")
    assert len(file.getvalue()) > 1_000_000
    headers = {"Content-Type": "image/png"}
    influencer.done("PUT", "/me/image", data=file.getvalue(), headers=headers)
    kept = influencer.request("GET", "/me/image")
    assert kept.headers["Content-Type"] == "image/jpeg"
    assert Image.open(BytesIO(kept.content)).size == (512, 512)
    refused = influencer.problem(422, "PUT", "/me/image", data=b"no picture", headers=headers)
    assert refused["code"] == "image-unusable"
    influencer.done("DELETE", "/me/image")
    influencer.problem(404, "GET", "/me/image")


def test_one_person_acts_as_influencer_and_client(influencer):
    influencer.done("POST", "/me/guards", {"guard": "client"})
    influencer.sign_in("client")
    for guard in ("influencer", "client"):
        profile = influencer.done("GET", "/me", headers={"Okacrm-Guard": guard})
        assert profile["guards"] == ["influencer", "client"]


def test_staff_close_and_open_an_account(influencer, visitor, newcomer):
    member = newcomer("staff")
    member.sign_in("staff")
    path = f"/staff/accounts/{influencer.account_id}/deactivation"
    assert member.problem(403, "PUT", path)["code"] == "second-factor-missing"
    member.enrol()
    member.sign_in("staff")
    assert member.problem(403, "PUT", path)["code"] == "step-up-required"
    assert influencer.problem(403, "PUT", path)["code"] == "wrong-guard"
    member.step_up()
    member.done("PUT", path)
    body = {"email": influencer.email, "password": PASSWORD, "guard": "influencer"}
    assert visitor.problem(401, "POST", "/sessions", body)["code"] == "sign-in-refused"
    member.done("DELETE", path)
    visitor.done("POST", "/sessions", body)


def test_operators_decide_about_accounts_at_the_command_line(influencer, visitor, okacrm, somebody):
    body = {"email": influencer.email, "password": PASSWORD, "guard": "influencer"}

    def decided(*arguments):
        done = okacrm("accounts", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    decided("deactivate", influencer.account_id)
    visitor.problem(401, "POST", "/sessions", body)
    decided("reactivate", influencer.account_id)
    request_id = decided("request-guard", influencer.account_id, "--role", "compliance").split()[1]
    assert request_id in decided("guard-requests")
    refused = okacrm("accounts", "approve-guard", request_id)
    assert "Nobody approves what they asked for themselves" in refused.stderr
    member = somebody("staff")
    member.step_up()
    member.done("PUT", f"/staff/guard-requests/{request_id}/approval")
    visitor.done("POST", "/sessions", body | {"guard": "compliance"})
    decided("revoke-guard", influencer.account_id, "--role", "compliance")
    assert visitor.problem(403, "POST", "/sessions", body | {"guard": "compliance"})["code"] == "guard-not-held"
    refused = okacrm("accounts", "disable-second-factor", influencer.account_id)
    assert refused.returncode == 1
    assert "No second factor is enabled" in refused.stderr


def test_a_person_closes_their_account(influencer, visitor):
    influencer.step_up()
    closed = influencer.request("POST", "/me/deactivation")
    assert closed.status_code == 204
    assert "okacrm_influencer=;" in closed.headers["Set-Cookie"]
    influencer.problem(401, "GET", "/me")
    body = {"email": influencer.email, "password": PASSWORD, "guard": "influencer"}
    assert visitor.problem(401, "POST", "/sessions", body)["code"] == "sign-in-refused"
