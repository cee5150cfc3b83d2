"""What an operator asks of a platform that has been used: how it stands, and whether what it stores is right."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest

from tests.invariants import owner_connection
from tests.making import eventually
from tests.tiles import TiledTree, read_checkpoint


@pytest.fixture
def used(influencer, officer, okacrm):
    """A platform on which somebody registered, consented, and somebody else was erased."""
    influencer.done("PUT", "/me/consents/product_news")
    influencer.done("DELETE", "/me/consents/product_news")
    erased = okacrm("keys", "destroy", influencer.account_id, "--yes")
    assert erased.returncode == 0, erased.stderr
    query = f"subject:{influencer.account_id} type:identity.account_erased"
    eventually(lambda: officer.get("/audit/records", q=query)["items"])


def test_after_a_real_run_everything_that_is_stored_is_right(used, okacrm):
    log = okacrm("audit", "fsck", "--json")
    assert log.returncode == 0, log.stdout + log.stderr
    document = json.loads(log.stdout)
    assert document["findings"] == []
    assert document["notes"] == []
    for what in ("leaves", "checkpoints", "consents", "sealed values", "sealed values erased"):
        assert document["looked_at"][what] > 0, what
    store = okacrm("events", "fsck", "identity", "--json")
    assert store.returncode == 0, store.stdout + store.stderr
    assert json.loads(store.stdout)["looked_at"]["events"] > 0


def test_a_check_says_how_much_it_saw_and_how_fast(used, okacrm):
    for command, counted in (("audit", "leaves"), ("events", "events")):
        checked = okacrm(command, "fsck")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert checked.stdout.splitlines()[-1].startswith("CLEAN: ")
        assert f" {counted}/s, " in checked.stdout


def test_a_check_of_nobody_is_no_finding(okacrm):
    assert okacrm("events", "fsck", "nobody").returncode == 2


def test_status_tells_how_far_everything_has_come(used, okacrm):
    status = okacrm("status", "--wait", "30", "--json")
    document = json.loads(status.stdout)
    assert status.returncode == 0, document["troubles"]
    assert document["well"]
    assert {each["name"] for each in document["processes"]} >= {"postgres", "rabbitmq", "gateway", "courier audit"}
    heads = {feed["service"]: feed["head"] for feed in document["feeds"]}
    assert set(heads) == {"identity", "audit"}
    assert {(each["service"], each["subscription"], each["publisher"]) for each in document["cursors"]} == {
        ("identity", "mail", "identity"),
        ("identity", "mail_audit", "audit"),
        ("identity", "policies", "audit"),
        ("audit", "log", "identity"),
        ("audit", "log", "audit"),
    }
    for cursor in document["cursors"]:
        assert 0 < cursor["position"] <= heads[cursor["publisher"]]
    assert document["parked"] == []
    assert [each["service"] for each in document["mails"]] == ["identity"]
    assert document["log"]["signer"] in ("in-step", "guard-ahead")
    assert document["log"]["archived"] > 0
    queues = {each["name"]: each for each in document["queues"]}
    assert queues["audit.log.identity"]["consumers"] == queues["rpc-identity"]["consumers"] == 1


def test_status_can_be_read(used, okacrm):
    shown = okacrm("status", "--wait", "30").stdout
    for heading in ("process ", "feed ", "subscription ", "mails ", "log ", "queue "):
        assert f"  {heading}" in shown
    assert shown.endswith("All is well.\n")


def test_from_tiles_anybody_makes_the_root_and_the_proof_that_an_officer_is_given(influencer, officer, visitor):
    """Checkpoint and tiles over HTTP, read by a client written from the specification alone."""

    def published():
        items = officer.get("/audit/records", q=f"subject:{influencer.account_id} publisher:identity")["items"]
        return items and items[0]["state"] == "published" and items[0]

    record = eventually(published)
    proof = officer.request("GET", f"/audit/records/{record['id']}/proof").text
    head, _, checkpoint = proof.partition("\n\n")
    size, root = read_checkpoint(checkpoint.encode())

    def fetch(path):
        answer = visitor.request("GET", f"/audit/log/{path}")
        assert answer.ok, path
        return answer.content

    tree = TiledTree(fetch, size)
    assert tree.root() == root
    assert tree.inclusion_proof(record["position"]) == [b64decode(line) for line in head.split("\n")[2:]]


def test_scheduled_work_that_is_parked_is_shown_and_tried_again(okacrm, platform):
    with owner_connection(platform, "identity") as connection:
        connection.execute("""
            INSERT INTO jobs (kind, key, due_at, attempts, parked_at, reason)
            VALUES ('letter', 'one', now(), 8, now(), 'ValueError')
        """)
        connection.commit()
        shown = okacrm("jobs", "list", "--json")
        assert shown.returncode == 1
        assert [(each["service"], each["kind"], each["key"], each["reason"]) for each in json.loads(shown.stdout)] == [
            ("identity", "letter", "one", "ValueError")
        ]
        assert "the job letter one is parked after 8 attempts (ValueError)" in okacrm("status").stdout
        assert okacrm("jobs", "retry", "identity", "letter", "one").returncode == 0
        assert okacrm("jobs", "retry", "identity", "letter", "one").returncode == 1
        assert okacrm("jobs", "list").returncode == 0
        assert okacrm("jobs", "retry", "nobody", "letter").returncode == 2
        connection.execute("DELETE FROM jobs WHERE kind = 'letter'")
        connection.commit()
    assert okacrm("status").returncode == 0
