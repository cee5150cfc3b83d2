"""The log as a whole: tools of others follow it leaf by leaf, across a rotation of the key that signs it."""

from __future__ import annotations

import pytest

from services.audit.tree.notes import NoteInvalid, parse_keys, verify_checkpoint
from tests.making import eventually
from tests.tiles import Follower


@pytest.fixture
def fetch(officer):
    """An officer's answers below the log's prefix."""

    def fetch(path):
        answer = officer.request("GET", f"/audit/log/{path}")
        assert answer.ok, answer.text
        return answer.content

    return fetch


def signed_by(fetch):
    """The newest checkpoint, and the key whose signature it carries."""
    note = fetch("checkpoint").decode()
    for key in parse_keys(fetch("keys").decode()):
        try:
            return verify_checkpoint(note, [key]), key
        except NoteInvalid:
            continue
    raise AssertionError(f"no published key signed {note}")


def test_whoever_follows_the_log_computes_every_root_and_meets_the_record_of_it(influencer, officer, fetch):
    influencer.done("PUT", "/me/consents/product_news")
    follower = Follower(fetch)

    def has_read(*words):
        follower.follow()
        return any(all(word.encode() in leaf for word in words) for leaf in follower.leaves)

    eventually(lambda: has_read(influencer.account_id, "consent_granted"))
    eventually(lambda: has_read(f'"actor":"compliance:{officer.account_id}"', '"question":"entries"'))


def test_a_key_takes_over_on_a_running_log_and_the_log_tells_of_it(officer, fetch, okacrm, tmp_path):
    follower = Follower(fetch)
    eventually(lambda: follower.follow() > 0)
    before, old = eventually(lambda: signed_by(fetch))
    record = officer.get("/audit/records", limit=1)["items"][0]
    evidence = tmp_path / "evidence.json"

    def is_proven():
        answer = officer.request("GET", f"/audit/records/{record['id']}/proof", headers={"Accept": "application/json"})
        return answer.ok and evidence.write_bytes(answer.content)

    eventually(is_proven)
    rotated = okacrm("audit", "rotate-key")
    assert rotated.returncode == 0, rotated.stderr
    new = rotated.stdout.strip()

    after, signer = eventually(lambda: (found := signed_by(fetch)) and str(found[1]) == new and found)
    keys = parse_keys(fetch("keys").decode())
    assert [keys[0], keys[1]] == [signer, old]
    assert before.size <= keys[1].signed_up_to < after.size
    assert fetch("key").decode() == f"{new}\n"

    # What was followed under the old key is what the new one goes on from, and its first checkpoint tells of it.
    follower.follow()
    (told,) = [leaf for leaf in follower.leaves if f'"new_key":"{new}"'.encode() in leaf]
    assert follower.leaves.index(told) >= keys[1].signed_up_to

    # Evidence that was given away before is good by the key that signed it, and not without it.
    (tmp_path / "keys").write_text(fetch("keys").decode())
    assert okacrm("audit", "verify", str(evidence), "--key", f"@{tmp_path / 'keys'}").returncode == 0
    refused = okacrm("audit", "verify", str(evidence), "--key", new)
    assert (refused.returncode, "not-signed-by-a-known-key" in refused.stderr) == (1, True)

    assert okacrm("status", "--wait", "30").returncode == 0
    checked = okacrm("audit", "fsck", "--json")
    assert checked.returncode == 0, checked.stdout
