"""The operator's command line against a running platform."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from tests.making import PASSWORD, email


def test_status_names_everything_that_runs(okacrm, platform):
    status = okacrm("status", "--wait", "30")
    assert status.returncode == 0, status.stdout
    for name in ("postgres", "rabbitmq", "gateway", "service identity", "courier audit"):
        assert name in status.stdout


def test_staff_are_created_for_their_role_only(okacrm, platform, visitor):
    visitor.email = email()
    made = okacrm("staff", "create", visitor.email, "--role", "staff")
    assert made.returncode == 0, made.stderr
    choice = {"token": made.stdout.split()[-1], "password": PASSWORD}
    visitor.done("POST", "/password-resets", choice)
    assert visitor.problem(410, "POST", "/password-resets", choice)["code"] == "link-invalid"
    assert visitor.sign_in("staff")["guard"] == "staff"
    again = okacrm("staff", "create", visitor.email, "--role", "staff")
    assert again.returncode == 1
    assert "There is an account with this e-mail address" in again.stderr
    assert okacrm("staff", "create", email(), "--role", "influencer").returncode == 2


def test_keys_of_nobody_cannot_be_destroyed_by_mistake(okacrm):
    assert okacrm("keys", "destroy", "not-an-id", "--yes").returncode == 2


def test_events_are_shown_as_they_are_published(platform, influencer):
    environment = {
        "PATH": os.environ["PATH"],
        "OKACRM_STATE_DIR": str(platform.state.root),
        "PYTHONUNBUFFERED": "1",
    }
    tail = subprocess.Popen(
        [sys.executable, "-m", "deploy.cli", "events", "tail", "identity.consent_g*", "audit.nothing"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert "Following audit, identity" in tail.stderr.readline()
        influencer.done("PUT", "/me/consents/product_news")
        shown = json.loads(tail.stdout.readline())
    finally:
        tail.send_signal(signal.SIGINT)
        tail.wait(10)
    assert shown["type"] == "okacrm.identity.consent_granted"
    assert shown["data"]["account_id"] == influencer.account_id
    assert shown["feedposition"] >= 1
