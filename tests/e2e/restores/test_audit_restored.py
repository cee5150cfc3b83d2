"""Audit restored from an older copy: its archive is replayed, and whatever would be a fork is refused."""

from __future__ import annotations

from base64 import b64decode
from contextlib import contextmanager

import pytest

from services.audit.log.archive import archive_directory
from services.audit.log.signer import guard_file
from services.audit.tree import evidence, merkle
from services.audit.tree.notes import Verifier, verify_checkpoint
from tests.making import eventually

AS_JSON = {"Accept": "application/json"}
OWN_FEED = "SELECT position, epoch, body FROM feed JOIN events USING (event_id) ORDER BY position"


@pytest.fixture(scope="module")
def key(restorable):
    return Verifier.parse(restorable.officer.request("GET", "/audit/log/key").text.strip())


def checkpoint(restorable, key):
    return verify_checkpoint(restorable.officer.request("GET", "/audit/log/checkpoint").text, [key])


def archive_file(restorable):
    (segment,) = archive_directory(restorable.platform.state.audit_log).glob("*.leaves")
    return segment


@contextmanager
def altered(path, content):
    """A file says something else, or is away, while the block runs."""
    original = path.read_bytes()
    path.unlink() if content is None else path.write_bytes(content)
    yield
    path.write_bytes(original)


def erase(restorable, person, *options):
    done = restorable.okacrm("keys", "destroy", person.account_id, "--yes", *options)
    assert done.returncode == 0, done.stderr


def test_the_archive_is_replayed_and_the_same_log_goes_on(restorable, key):
    ada, bob = restorable.person(), restorable.person()
    restorable.await_rest()
    copy = restorable.copy("audit")
    ada.done("PATCH", "/me", {"name": "Augusta Ada"})
    carol, dave = restorable.person(), restorable.person()
    restorable.await_rest()
    erase(restorable, bob)
    erase(restorable, dave, "--category", "identity")
    restorable.await_rest()
    bundles = [
        restorable.officer.request("GET", f"/audit/records/{record['id']}/proof", headers=AS_JSON).content
        for record in restorable.officer.get("/audit/records")["items"][:5]
    ]
    restorable.await_rest()
    leaves, sealed, signed = restorable.leaves(), restorable.sealed(), checkpoint(restorable, key)
    asked = restorable.rows("audit", OWN_FEED)
    followed = "SELECT position FROM cursors WHERE publisher = 'identity'"
    position = restorable.one("audit", followed)

    with restorable.stopped("service audit", "courier audit"):
        restorable.put_back("audit", copy)
        assert len(restorable.leaves()) < len(leaves)
        assert len(restorable.rows("audit", OWN_FEED)) == len(asked) - 6
        # Meanwhile the world goes on.
        carol.done("PUT", "/me/consents/product_news")

    restorable.await_rest()
    assert restorable.leaves()[: len(leaves)] == leaves
    assert len(restorable.leaves()) == len(leaves) + 1
    assert restorable.one("audit", followed) == position + 1
    # What was asked since the copy is in audit's own events and feed again, byte for byte and in its place.
    assert restorable.rows("audit", OWN_FEED) == asked
    now = checkpoint(restorable, key)
    question = {"from": signed.size, "to": now.size}
    path = [b64decode(each) for each in restorable.officer.get("/audit/log/consistency", **question)["hashes"]]
    merkle.verify_consistency(signed.size, signed.root, now.size, now.root, path)
    for bundle in bundles:
        assert evidence.verify(bundle, [key]).records

    # The archive has hashes only; the values come from identity again, but not those of who was erased.
    eventually(lambda: restorable.one("audit", "SELECT count(*) FROM missing_values") == 0)
    assert restorable.sealed() == sealed
    held = {
        (str(row.subject), row.category)
        for row in restorable.rows("audit", "SELECT DISTINCT subject, category FROM sealed_values")
    }
    assert {(ada.account_id, "identity"), (dave.account_id, "technical")} <= held
    assert (dave.account_id, "identity") not in held
    assert bob.account_id not in {subject for subject, _ in held}
    assert restorable.logged("courier audit", "replaying_archive")
    restorable.require_sound()


def test_what_cannot_be_refilled_is_said(restorable):
    """The event is gone, or its bytes are not those that the leaf names: the value stays missing, and is told apart."""
    ada = restorable.person()
    restorable.await_rest()
    copy, before = restorable.copy("audit"), restorable.copy("identity")
    bob = restorable.person()
    restorable.await_rest()
    held = restorable.one("audit", f"SELECT count(*) FROM sealed_values WHERE subject = '{bob.account_id}'")
    assert held > 0
    with restorable.stopped("service identity", "courier identity"):
        restorable.put_back("identity", before)
        with restorable.stopped("service audit", "courier audit"):
            restorable.put_back("audit", copy)
    restorable.await_state("publisher-does-not-know-the-cursor")
    lost = "SELECT count(*) FROM missing_values WHERE reason = 'event-lost'"
    eventually(lambda: restorable.one("audit", lost) == held)
    assert restorable.completeness()["missing_values"] == held
    assert {str(row.subject) for row in restorable.rows("audit", "SELECT subject FROM missing_values")} == {
        bob.account_id
    }
    assert restorable.okacrm("events", "new-epoch", "identity", "--accept-loss").returncode == 0
    ada.done("PUT", "/me/consents/product_news")
    restorable.require_sound()


WRONG_FILES = {
    "archive-lacks-what-was-signed": lambda lines: lines[:-1],
    "log-differs-from-what-was-signed": lambda lines: [*lines[:-1], lines[-1].replace(b'"actor":"', b'"actor":"x')],
    "archive-damaged": lambda lines: [*lines[:-1], lines[-1][:-9] + b"\n"],
}


ALARMS = ("log_behind_its_archive", "fork_refused")


@pytest.mark.parametrize("reason", WRONG_FILES)
def test_a_fork_is_refused(restorable, key, reason):
    """An archive without its tail, or with another one, does not lead to another log under the same name."""
    ada = restorable.person()
    restorable.await_rest()
    copy = restorable.copy("audit")
    ada.done("PUT", "/me/consents/product_news")
    restorable.await_rest()
    leaves, archive, guard = (
        restorable.leaves(),
        archive_file(restorable),
        guard_file(restorable.platform.state.audit_log),
    )
    wrong = b"".join(WRONG_FILES[reason](archive.read_bytes().splitlines(keepends=True)))
    with restorable.stopped("service audit", "courier audit"):
        restorable.put_back("audit", copy)
        restored = restorable.leaves()
        signed = guard.read_bytes()
        changed = altered(archive, wrong)
        changed.__enter__()
    restorable.await_state(reason)
    ada.done("DELETE", "/me/consents/product_news")
    eventually(lambda: [each for name in ALARMS for each in restorable.logged("courier audit", name)])
    assert restorable.leaves() == restored
    assert (archive.read_bytes(), guard.read_bytes()) == (wrong, signed)
    with restorable.stopped("courier audit"):
        changed.__exit__(None, None, None)
    restorable.await_rest()
    assert restorable.leaves()[: len(leaves)] == leaves
    assert len(restorable.leaves()) == len(leaves) + 1
    ada.done("PUT", "/me/consents/usage_analytics")
    restorable.await_rest()


def test_a_lost_guard_is_not_begun_anew(restorable, key):
    """Without the guard nobody knows what was signed last, even where database and archive agree."""
    guard = guard_file(restorable.platform.state.audit_log)
    ada = restorable.person()
    restorable.await_rest()
    size = len(restorable.leaves())
    with restorable.stopped("courier audit"):
        changed = altered(guard, None)
        changed.__enter__()
        ada.done("PUT", "/me/consents/product_news")
    restorable.await_state("guard-is-missing")
    eventually(lambda: restorable.logged("courier audit", "checkpointing_stopped"))
    assert (len(restorable.leaves()), guard.exists()) == (size, False)
    assert checkpoint(restorable, key).size == size
    changed.__exit__(None, None, None)
    restorable.await_rest()
    assert len(restorable.leaves()) == size + 1


def test_a_log_that_lost_all_its_files_is_not_a_new_one(restorable, key):
    """Archive and guard are gone, and the database has checkpoints: nothing is signed over it as if it began today."""
    ada = restorable.person()
    restorable.await_rest()
    guard, archive = guard_file(restorable.platform.state.audit_log), archive_file(restorable)
    with restorable.stopped("courier audit"):
        changes = [altered(guard, None), altered(archive, None)]
        for change in changes:
            change.__enter__()
        ada.done("PUT", "/me/consents/product_news")
    restorable.await_state("guard-is-missing")
    assert not guard.exists()
    with restorable.stopped("courier audit"):
        for change in changes:
            change.__exit__(None, None, None)
    restorable.await_rest()
