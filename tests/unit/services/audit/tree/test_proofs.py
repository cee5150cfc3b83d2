import pytest

from services.audit.tree.merkle import ProofInvalid, leaf_hash, verify_inclusion
from services.audit.tree.notes import verify_checkpoint
from services.audit.tree.proofs import TlogProof


def test_round_trip_proves_the_leaf(log):
    for index in range(12):
        record = log.record(index, 12)
        text = TlogProof(index, tuple(record.path), log.checkpoint(12)).format()
        proof = TlogProof.parse(text)
        assert proof.format() == text
        checkpoint = verify_checkpoint(proof.checkpoint, [log.signer.verifier])
        verify_inclusion(leaf_hash(record.leaf), proof.index, checkpoint.size, proof.path, checkpoint.root)


def test_the_only_leaf_has_an_empty_path(log):
    text = TlogProof(0, (), log.checkpoint(1)).format()
    assert text.startswith("c2sp.org/tlog-proof@v1\nindex 0\n\naudit.okacrm.example/log\n1\n")
    assert TlogProof.parse(text) == TlogProof(0, (), log.checkpoint(1))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("@v1", "@v2", "proof-malformed"),
        ("@v1\n", "@v1\r\n", "proof-malformed"),
        ("@v1\n", "@v1\nextra AAAA\n", "proof-malformed"),
        ("\nindex", "\n\nindex", "proof-malformed"),
        ("index 3\n", "", "proof-malformed"),
        ("index 3", "index  3", "number-malformed"),
        ("index 3", "index 03", "number-malformed"),
        ("index 3", "index -3", "number-malformed"),
        ("\nAAAA", "\n AAA", "base64-malformed"),
        ("\nAAAA", "\nAAA", "base64-malformed"),
        ("\nAAAA", "\n", "hash-not-32-bytes"),
        ("AAA=\n", "AAB=\n", "base64-not-canonical"),
        ("\n\n", "\n", "proof-malformed"),
    ],
)
def test_malformed_proofs(before, after, expected):
    text = TlogProof(3, (bytes(32), bytes(32)), "checkpoint\n").format()
    with pytest.raises(ProofInvalid) as refused:
        TlogProof.parse(text.replace(before, after, 1))
    assert str(refused.value) == expected
