"""Identity restored from an older copy: audit halts and loses nothing, and both go on once it is accounted for."""

from __future__ import annotations

import json

import pytest

from deploy.cli._operator import operator_calls
from deploy.restores import compare, go_on
from services.audit.tree import merkle
from services.audit.tree.notes import Checkpoint
from tests.making import eventually

HALTED = "publisher-does-not-know-the-cursor"


def lost_by(outcome_file):
    return json.loads(outcome_file.read_text())["lost"]


def epochs(restorable):
    return [
        (each["epoch"], each["audited_from"], each["goes_on_after"]) for each in restorable.completeness()["epochs"]
    ]


def checkpoint(restorable):
    answer = restorable.officer.request("GET", "/audit/log/checkpoint")
    return Checkpoint.parse(answer.text.split("\n\n")[0] + "\n")


@pytest.fixture
def as_operator(restorable, monkeypatch):
    monkeypatch.setenv("OKACRM_STATE_DIR", str(restorable.platform.state.root))
    return operator_calls


def test_the_lost_tail_is_accounted_for_and_a_new_epoch_goes_on(restorable, as_operator, tmp_path):
    ada = restorable.person()
    restorable.await_rest()
    copy = restorable.copy("identity")
    common = restorable.one("identity", "SELECT position FROM feed_head")

    bob = restorable.person()
    ada.done("PUT", "/me/consents/product_news")
    restorable.await_rest()
    before, leaves = checkpoint(restorable), restorable.leaves()
    lost = [row.event_id for row in restorable.rows("identity", f"SELECT event_id FROM feed WHERE position > {common}")]
    assert len(lost) == 5, "one registered, was to be verified, was told so, and signed in; the other consented"

    # The restored service is in use before anybody notices: it gives away positions that the log has seen already.
    restorable.restore("identity", copy)
    ada.done("PUT", "/me/consents/usage_analytics")
    halted = restorable.await_state(HALTED)
    assert halted["audited_to"] == common + len(lost)
    status = restorable.okacrm("status")
    assert (status.returncode, HALTED in status.stdout) == (1, True), status.stdout
    assert restorable.leaves() == leaves

    report = tmp_path / "lost.json"
    looked = restorable.okacrm("events", "new-epoch", "identity", "--report", str(report))
    assert looked.returncode == 1, looked.stderr
    assert "Nothing was changed" in looked.stdout
    assert [each["event_id"] for each in lost_by(report)] == [str(each) for each in lost]
    assert {"position", "type", "stream", "subjects", "occurred_at"} <= lost_by(report)[0].keys()
    assert lost_by(report)[0]["subjects"] == [bob.account_id]
    assert all(str(event_id) in looked.stdout for event_id in lost)
    assert bob.account_id in looked.stdout
    assert restorable.one("identity", "SELECT epoch FROM feed_head") == 1
    assert restorable.completeness()["state"] == HALTED

    # Interrupted between the two services: the epoch is begun, and the cursor has not moved.
    class Interrupted(Exception):
        pass

    with as_operator() as call:

        def broken_call(service, method, arguments):
            if method == "resume_feed":
                raise Interrupted
            return call(service, method, arguments)

        with pytest.raises(Interrupted):
            go_on(broken_call, compare(call, "identity"))
    assert restorable.one("identity", "SELECT epoch FROM feed_head") == 2

    accepted = restorable.okacrm("events", "new-epoch", "identity", "--accept-loss")
    assert accepted.returncode == 0, accepted.stderr
    assert "was begun behind it already" in accepted.stdout
    restorable.await_rest()
    assert epochs(restorable) == [(1, 1, common), (2, common + 1, None)]
    now = restorable.completeness()
    assert (now["epoch"], now["contiguous"], now["lag"], now["state"]) == (2, True, 0, "following")

    (begun,) = restorable.officer.get("/audit/records", q="type:identity.feed_epoch_begun")["items"]
    assert (begun["data"]["epoch"], begun["data"]["last_common_position"]) == (2, common)
    assert (begun["data"]["lost_events"], begun["data"]["repeated_events"]) == (len(lost), 0)
    assert (begun["actor"], begun["subjects"]) == ("operator", [])

    # Nothing was taken from the log, and its tree is the same tree, grown.
    assert restorable.leaves()[: len(leaves)] == leaves
    assert restorable.officer.get(f"/audit/records/{lost[0]}")["epoch"] == 1
    after = checkpoint(restorable)
    path = restorable.officer.get("/audit/log/consistency", **{"from": before.size, "to": after.size})["hashes"]
    merkle.verify_consistency(before.size, before.root, after.size, after.root, [_bytes(each) for each in path])

    again = restorable.okacrm("events", "new-epoch", "identity", "--accept-loss")
    assert (again.returncode, "nothing to do" in again.stdout) == (0, True)
    restorable.require_sound()


def test_a_second_restore_from_the_time_before_the_first_gets_an_epoch_of_its_own(restorable, tmp_path):
    """The copy knows nothing of the epoch that was begun since; the log does, and its number is not given twice."""
    ada = restorable.person()
    restorable.await_rest()
    copy = restorable.copy("identity")
    epoch = restorable.one("identity", "SELECT epoch FROM feed_head")
    for _ in range(2):
        ada.done("PUT", "/me/consents/product_news")
        ada.done("DELETE", "/me/consents/product_news")
        restorable.await_rest()
        restorable.restore("identity", copy)
        restorable.await_state(HALTED)
        report = tmp_path / "lost.json"
        done = restorable.okacrm("events", "new-epoch", "identity", "--accept-loss", "--report", str(report))
        assert done.returncode == 0, done.stderr
        restorable.await_rest()
    # What was lost the first time was accounted for then: the second time, only what came since.
    types = [each["type"].rsplit(".", 1)[-1] for each in lost_by(report)]
    assert types == ["feed_epoch_begun", "consent_granted", "consent_withdrawn"]
    assert restorable.one("identity", "SELECT epoch FROM feed_head") == epoch + 2
    assert restorable.completeness()["contiguous"] is True
    restorable.require_sound()


def test_events_that_the_copy_held_unnumbered_get_no_second_record(restorable):
    """The relay numbered them one way before the loss, and another way after it: both are the same events."""
    ada, bob = restorable.person(), restorable.person()
    restorable.await_rest()
    common = restorable.one("identity", "SELECT position FROM feed_head")
    with restorable.stopped("courier identity"):
        ada.done("PUT", "/me/consents/product_news")
        bob.done("PUT", "/me/consents/product_news")
        with restorable.stopped("service identity"):
            copy = f"{restorable.platform.databases['identity'].name}_unnumbered"
            restorable.administer(f"CREATE DATABASE {copy} TEMPLATE {restorable.platform.databases['identity'].name}")
    restorable.await_rest()
    bob.done("DELETE", "/me/consents/product_news")
    restorable.await_rest()
    size = len(restorable.leaves())

    # As if the transaction with the smaller id had still been open when the copy was taken.
    restorable.administer(
        "WITH taken AS (DELETE FROM outbox RETURNING id, event_id) "
        "INSERT INTO outbox (event_id) SELECT event_id FROM taken ORDER BY id DESC",
        copy,
    )
    restorable.restore("identity", copy)
    restorable.await_state(HALTED)
    done = restorable.okacrm("events", "new-epoch", "identity", "--accept-loss")
    assert done.returncode == 0, done.stderr
    assert "2 more are still there, at other positions" in done.stdout
    assert f"in common with the restored feed is position {common}." in done.stdout
    restorable.await_rest()
    assert len(restorable.leaves()) == size + 1
    assert restorable.completeness()["contiguous"] is True
    ada.done("DELETE", "/me/consents/product_news")
    eventually(lambda: len(restorable.leaves()) == size + 2)
    restorable.require_sound()


def test_the_command_knows_its_publishers(restorable):
    for name in ("audit", "nobody"):
        assert restorable.okacrm("events", "new-epoch", name).returncode == 2


def _bytes(text):
    from base64 import b64decode

    return b64decode(text)
