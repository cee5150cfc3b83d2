import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from services.audit.tree import evidence
from services.audit.tree.evidence import EvidenceInvalid
from services.audit.tree.notes import Checkpoint, NoteSigner
from shared.eventstore.canonical import canonical_json


@pytest.fixture(scope="module")
def keys(signer):
    return [signer.verifier]


@pytest.fixture(scope="session")
def bundle(log):
    return log.bundle([2, 11], 12, older=7)


def refusal(data, keys, older=None):
    with pytest.raises(EvidenceInvalid) as refused:
        evidence.verify(data, keys, older)
    return refused.value.reason


def edited(bundle, change):
    document = json.loads(bundle)
    change(document)
    return canonical_json(document)


# --- what a bundle proves ---------------------------------------------------------------------------------------------


def test_a_bundle_proves_its_records(log, bundle, keys):
    proven = evidence.verify(bundle, keys)
    assert [record.index for record in proven.records] == [2, 11]
    assert [record.leaf.to_bytes() for record in proven.records] == [log.leaves[index] for index in (2, 11)]
    assert proven.checkpoint == Checkpoint(log.signer.verifier.name, 12, log.tree.root(12))
    assert proven.older == Checkpoint(log.signer.verifier.name, 7, log.tree.root(7))


def test_every_record_of_every_tree(log, keys):
    for size in range(1, 13):
        for older in (None, *range(size + 1)):
            assert len(evidence.verify(log.bundle(range(size), size, older), keys).records) == size


def test_the_bundle_is_the_same_however_the_records_were_found(log, bundle):
    assert log.bundle([11, 2], 12, older=7) == bundle


def test_an_earlier_key_of_the_log_still_verifies_what_it_signed(log, make_log, keys):
    rotated = NoteSigner(log.signer.verifier.name, Ed25519PrivateKey.from_private_bytes(b"\x05" * 32))
    later = make_log(log.leaves, rotated)
    data = evidence.bundle(later.checkpoint(12), [later.record(3, 12)], log.consistency(7, 12))
    assert evidence.verify(data, [rotated.verifier, *keys]).older.size == 7
    assert refusal(data, [rotated.verifier]) == "not-signed-by-a-known-key"


def test_a_checkpoint_the_caller_kept(log, bundle, keys):
    assert evidence.verify(bundle, keys, log.checkpoint(7)).older.size == 7
    assert evidence.verify(bundle, keys, log.checkpoint(12))
    assert refusal(bundle, keys, log.checkpoint(6)) == "no-consistency-with-older-checkpoint"
    assert refusal(log.bundle([1], 12), keys, log.checkpoint(7)) == "no-consistency-with-older-checkpoint"
    assert refusal(bundle, keys, log.checkpoint(7).replace("\n7\n", "\n8\n")) == "signature-wrong"


# --- no byte is free --------------------------------------------------------------------------------------------------


def test_every_byte_matters(bundle, keys):
    for at in range(len(bundle)):
        for data in (
            bundle[:at] + bundle[at + 1 :],
            bundle[:at] + bytes([bundle[at] ^ 1]) + bundle[at + 1 :],
            bundle[:at] + bytes([bundle[at] ^ 32]) + bundle[at + 1 :],
        ):
            refusal(data, keys)


@settings(max_examples=1_500, deadline=None)
@given(st.data())
def test_any_single_byte_substituted_inserted_or_removed(bundle, keys, data):
    at = data.draw(st.integers(0, len(bundle)), label="at")
    byte = bytes([data.draw(st.integers(0, 255), label="byte")])
    removed = data.draw(st.integers(0, 1), label="removed")
    inserted = data.draw(st.sampled_from([byte, b""]), label="inserted")
    changed = bundle[:at] + inserted + bundle[at + removed :]
    if changed != bundle:
        refusal(changed, keys)


@pytest.mark.parametrize(
    "wrap", [lambda data: data + b"\n", lambda data: b" " + data, lambda data: b"\xef\xbb\xbf" + data]
)
def test_one_spelling_only(bundle, keys, wrap):
    assert refusal(wrap(bundle), keys) == "not-canonical-json"


def test_pretty_printing_is_another_document(bundle, keys):
    assert refusal(json.dumps(json.loads(bundle), indent=1).encode(), keys) == "not-canonical-json"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda document: document.update(format="okacrm-evidence/v2"), "format-unknown"),
        (lambda document: document.update(comment="hello"), "fields-differ"),
        (lambda document: document.pop("consistency"), "fields-differ"),
        (lambda document: document.update(checkpoint=7), "note-malformed"),
        (lambda document: document.update(consistency=[]), "fields-differ"),
        (lambda document: document["consistency"].update(more=1), "fields-differ"),
        (lambda document: document["consistency"].update(path={}), "path-malformed"),
        (lambda document: document["consistency"].update(path=[7]), "base64-malformed"),
        (lambda document: document.update(records=[]), "no-records"),
        (lambda document: document.update(records={}), "no-records"),
        (lambda document: document["records"][0].update(more=1), "fields-differ"),
        (lambda document: document["records"].insert(0, 7), "not-canonical-json"),
        (lambda document: document["records"][0].update(index=True), "number-malformed"),
        (lambda document: document["records"][0].update(index="2"), "number-malformed"),
        (lambda document: document["records"][0].update(index=-1), "index-outside-tree"),
        (lambda document: document["records"][0].update(leaf=None), "base64-malformed"),
        (lambda document: document["records"][0].update(path="AAAA"), "path-malformed"),
        (lambda document: document["records"][0].update(path=["AAAA"]), "hash-not-32-bytes"),
        (lambda document: document["records"].reverse(), "records-out-of-order"),
        (lambda document: document["records"].insert(0, document["records"][0]), "records-out-of-order"),
    ],
)
def test_other_documents(bundle, keys, change, expected):
    assert refusal(edited(bundle, change), keys) == expected


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"7", b"[" * 100_000])
def test_what_is_no_bundle_at_all(data, keys):
    assert refusal(data, keys) in {"not-canonical-json", "format-unknown"}


def test_a_signature_line_that_nobody_checks_is_refused(log, bundle, keys):
    witness = NoteSigner("witness.example", Ed25519PrivateKey.from_private_bytes(bytes(32)))
    line = witness.sign(Checkpoint("any", 1, bytes(32)).format()).rpartition("\n\n")[2]
    data = edited(bundle, lambda document: document.update(checkpoint=document["checkpoint"] + line))
    assert refusal(data, keys) == "more-than-one-signature"


# --- a server that lies -----------------------------------------------------------------------------------------------


def test_an_edited_leaf(log, make_leaf, keys):
    lie = replace(log.record(5, 12), leaf=make_leaf(5, actor="somebody else").to_bytes())
    assert refusal(evidence.bundle(log.checkpoint(12), [lie]), keys) == "root-differs"


def test_another_place_in_the_log(log, keys):
    for claimed in (4, 6, 11):
        lie = replace(log.record(5, 12), index=claimed)
        assert refusal(evidence.bundle(log.checkpoint(12), [lie]), keys) in {"root-differs", "path-too-long"}


def test_two_leaves_exchanged(log, keys):
    first, second = log.record(4, 12), log.record(5, 12)
    lies = [replace(first, leaf=second.leaf), replace(second, leaf=first.leaf)]
    assert refusal(evidence.bundle(log.checkpoint(12), lies), keys) == "root-differs"


def test_a_proof_in_another_tree(log, keys):
    assert refusal(evidence.bundle(log.checkpoint(12), [log.record(5, 11)]), keys) in {"root-differs", "path-too-short"}


def test_a_fork(log, make_log, make_leaf, keys):
    rewritten = make_log([*log.leaves[:6], make_leaf(99).to_bytes(), *log.leaves[7:]], log.signer)
    lie = evidence.bundle(rewritten.checkpoint(12), [rewritten.record(6, 12)], rewritten.consistency(7, 12))
    assert evidence.verify(lie, keys), "a fork is consistent with itself; only a kept checkpoint gives it away"
    assert refusal(lie, keys, log.checkpoint(7)) == "no-consistency-with-older-checkpoint"
    forged = evidence.bundle(
        rewritten.checkpoint(12),
        [rewritten.record(6, 12)],
        replace(rewritten.consistency(7, 12), checkpoint=log.checkpoint(7)),
    )
    assert refusal(forged, keys, log.checkpoint(7)) == "root-differs"


def test_truncation(log, keys):
    shortened = evidence.bundle(
        log.checkpoint(7), [log.record(2, 7)], evidence.ConsistencyProof(log.checkpoint(12), [])
    )
    assert refusal(shortened, keys) == "size-shrank"
    assert refusal(log.bundle([2], 7), keys, log.checkpoint(12)) == "no-consistency-with-older-checkpoint"


def test_leaves_in_another_order(log, make_log, keys):
    shuffled = make_log([log.leaves[1], log.leaves[0], *log.leaves[2:]], log.signer)
    lie = evidence.bundle(
        shuffled.checkpoint(12),
        [shuffled.record(0, 12)],
        replace(shuffled.consistency(7, 12), checkpoint=log.checkpoint(7)),
    )
    assert refusal(lie, keys) == "root-differs"


def test_another_key_under_the_same_name(log, make_log, keys):
    impostor = NoteSigner(log.signer.verifier.name, Ed25519PrivateKey.from_private_bytes(b"\x09" * 32))
    assert refusal(make_log(log.leaves, impostor).bundle([2], 12), keys) == "not-signed-by-a-known-key"


def test_another_origin(log, keys):
    lie = evidence.bundle(log.checkpoint(12, origin="another.example"), [log.record(2, 12)])
    assert refusal(lie, keys) == "origin-differs-from-key"


def test_an_older_checkpoint_of_another_log(log, make_log, keys):
    other = NoteSigner("another.example", Ed25519PrivateKey.from_private_bytes(b"\x09" * 32))
    foreign = other.sign(Checkpoint("another.example", 7, log.tree.root(7)).format())
    lie = evidence.bundle(log.checkpoint(12), [log.record(2, 12)], replace(log.consistency(7, 12), checkpoint=foreign))
    assert refusal(lie, [*keys, other.verifier]) == "origin-differs"


def test_leaves_that_are_no_records(make_log, signer, make_leaf, keys):
    leaf = make_leaf(1).to_bytes()
    for data, expected in [
        (leaf + b" ", "leaf-not-canonical"),
        (json.dumps(json.loads(leaf)).encode(), "leaf-not-canonical"),
        (b"{}", "leaf-version-unknown"),
    ]:
        assert refusal(make_log([data], signer).bundle([0], 1), keys) == expected
