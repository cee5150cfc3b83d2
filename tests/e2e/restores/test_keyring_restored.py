"""The keyring restored from an older copy: what was destroyed is destroyed again before anything is served."""

from __future__ import annotations

import pytest

from deploy.local.state import PlatformError
from tests.e2e.conftest import Browser
from tests.making import eventually


def erase(restorable, person, *options):
    done = restorable.okacrm("keys", "destroy", person.account_id, "--yes", *options)
    assert done.returncode == 0, done.stderr


KEYS = 3
"""Of a person who has registered and signed in: one for who they are, one for the technical data of this month, and one
for what they were told this year."""


def present(restorable, person):
    """How many keys of a person the keyring holds."""
    return restorable.one(
        "keyring", f"SELECT count(*) FROM keys WHERE subject = '{person.account_id}' AND wrapped IS NOT NULL"
    )


def tombstones(restorable, person):
    return restorable.one("keyring", f"SELECT count(*) FROM tombstones WHERE subject = '{person.account_id}'")


@pytest.fixture
def forgetful(restorable):
    """A keyring put back to before two erasures and a registration, with identity still down; and who they are of."""
    restorable.ada, restorable.bob, restorable.carol = (restorable.person() for _ in range(3))
    restorable.await_rest()
    copy = restorable.copy("keyring")
    restorable.dave = restorable.person()
    erase(restorable, restorable.bob)
    erase(restorable, restorable.carol, "--category", "identity")
    restorable.platform.supervisor.halt("service identity")
    restorable.put_back("keyring", copy)
    assert (present(restorable, restorable.bob), tombstones(restorable, restorable.bob)) == (KEYS, 0)
    return restorable


def require_forgotten(restorable):
    assert (present(restorable, restorable.bob), present(restorable, restorable.carol)) == (0, KEYS - 1)
    assert (tombstones(restorable, restorable.bob), tombstones(restorable, restorable.carol)) == (1, 0)
    assert present(restorable, restorable.ada) == KEYS
    assert restorable.ada.get("/me")["name"] == "Ada Lovelace"
    assert restorable.carol.get("/me")["name"] is None


def test_identity_does_not_serve_before_the_destructions_are_replayed(forgetful):
    with pytest.raises(PlatformError):
        forgetful.platform.supervisor.resume("service identity", within=4)
    alarms = eventually(lambda: forgetful.logged("service identity", "keyring_behind_its_destructions"))
    assert alarms[-1]["erasures"] == 2
    assert forgetful.ada.problem(503, "GET", "/me")["code"] == "service-unavailable"
    assert present(forgetful, forgetful.bob) == KEYS

    replayed = forgetful.okacrm("keys", "replay")
    assert (replayed.returncode, replayed.stdout) == (0, f"Destroyed {KEYS + 1} keys again.\n"), replayed.stderr
    forgetful.platform.supervisor.await_ready("service identity")
    eventually(lambda: forgetful.ada.request("GET", "/me").ok)
    require_forgotten(forgetful)
    again = forgetful.okacrm("keys", "replay")
    assert again.stdout == "The keyring knows every destruction.\n"


def test_starting_the_platform_replays_them(forgetful):
    said = []
    forgetful.start_again(said.append)
    assert any(line.startswith(f"Destroyed {KEYS + 1} keys again") for line in said)
    require_forgotten(forgetful)


def test_a_key_made_after_the_copy_is_unknown_and_not_erased(forgetful):
    """Who registered after the copy cannot be read, and is told so: neither as a fault of ours nor as erased."""
    forgetful.okacrm("keys", "replay")
    forgetful.platform.supervisor.resume("service identity")
    dave = forgetful.dave
    eventually(lambda: forgetful.ada.request("GET", "/me").ok)
    for method, path, body in (("GET", "/me", None), ("PATCH", "/me", {"name": "Dave"})):
        assert dave.problem(503, method, path, body)["code"] == "key-unknown"
    assert forgetful.logged("service identity", "key_unknown")
    assert present(forgetful, dave) == 0
    newcomer = Browser(forgetful.platform.base_url)
    newcomer.register()
    assert present(forgetful, newcomer) == 1
