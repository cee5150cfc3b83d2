from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.audit.tree.notes import (
    Checkpoint,
    NoteInvalid,
    NoteSigner,
    Verifier,
    decode_base64,
    format_keys,
    parse_decimal,
    parse_keys,
    verify_checkpoint,
    verify_note,
)

# The example of golang.org/x/mod/sumdb/note, the format's first implementation.
VECTOR_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
VECTOR_SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
VECTOR_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
VECTOR_NOTE = (
    VECTOR_TEXT + "\n— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


# The examples in C2SP signed-note and tlog-checkpoint. Their keys were not published, so it is their form that is read.
SIGNED_NOTE_EXAMPLE = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n"
    "\n— quasimodo.example/salvatore "
    "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)
CHECKPOINT_EXAMPLE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)


@pytest.fixture(scope="module")
def witness():
    return NoteSigner("witness.example", Ed25519PrivateKey.from_private_bytes(bytes(32)))


def reason(check, *arguments, **options):
    with pytest.raises(NoteInvalid) as refused:
        check(*arguments, **options)
    return str(refused.value)


def line_of(note):
    return note.rpartition("\n\n")[2]


def test_vector():
    key = Verifier.parse(VECTOR_KEY)
    assert str(key) == VECTOR_KEY
    assert verify_note(VECTOR_NOTE, [key]).text == VECTOR_TEXT
    signer = NoteSigner("PeterNeumann", Ed25519PrivateKey.from_private_bytes(VECTOR_SEED))
    assert signer.verifier == key
    assert signer.sign(VECTOR_TEXT) == VECTOR_NOTE


@pytest.mark.parametrize("note", [SIGNED_NOTE_EXAMPLE, CHECKPOINT_EXAMPLE])
def test_the_specified_examples_are_notes_of_a_key_that_is_not_known(note, witness):
    assert reason(verify_note, note, [witness.verifier]) == "not-signed-by-a-known-key"
    assert reason(verify_note, note.replace("\n— ", "\n- "), [witness.verifier]) == "signature-line-malformed"


def test_keys_of_a_log_as_text(signer, witness):
    keys = [witness.verifier, signer.verifier.retired(41)]
    text = f"{witness.verifier}\n{signer.verifier} 41\n"
    assert format_keys(keys) == text
    assert [(key, key.signed_up_to) for key in parse_keys(text)] == [(witness.verifier, None), (signer.verifier, 41)]
    assert parse_keys("\n") == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [("nothing", "key-malformed"), (f"{VECTOR_KEY} 1 2", "key-malformed"), (f"{VECTOR_KEY} 01", "number-malformed")],
)
def test_malformed_lists_of_keys(line, expected):
    assert reason(parse_keys, f"{VECTOR_KEY}\n{line}\n") == expected


def test_a_retired_key_counts_up_to_the_last_checkpoint_that_it_signed(signer):
    note = signer.sign(Checkpoint(signer.verifier.name, 7, bytes(32)).format())
    assert verify_checkpoint(note, [signer.verifier.retired(7)]).size == 7
    assert reason(verify_checkpoint, note, [signer.verifier.retired(6)]) == "key-retired"


def test_several_keys_in_one_file(signer, witness):
    keys = NoteSigner.all_from_pem("name", signer.pem() + witness.pem())
    assert [key.verifier.public_key for key in keys] == [signer.verifier.public_key, witness.verifier.public_key]
    with pytest.raises(ValueError, match="no private key"):
        NoteSigner.all_from_pem("name", b"")


def test_keys_from_pem(signer):
    def pem(key):
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    assert NoteSigner.from_pem(signer.verifier.name, pem(key)).verifier == signer.verifier
    assert reason(NoteSigner.from_pem, "name", pem(generate_private_key(SECP256R1()))) == "key-type-unknown"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "key-malformed"),
        ("PeterNeumann+c74f20a3", "key-malformed"),
        (VECTOR_KEY.replace("c74f", "C74F"), "key-id-differs"),
        (VECTOR_KEY.replace("c74f20a3", "c74f20a4"), "key-id-differs"),
        (VECTOR_KEY.replace("Peter", "Petra"), "key-id-differs"),
        (VECTOR_KEY.replace("+ARpc", "+ARpd"), "key-id-differs"),
        (VECTOR_KEY.replace("+AR", "+BR"), "key-type-unknown"),
        (VECTOR_KEY.replace("Peter", "Peter "), "key-name-malformed"),
        (VECTOR_KEY.replace("PeterNeumann", ""), "key-name-malformed"),
        (VECTOR_KEY[:-4], "key-malformed"),
        (VECTOR_KEY + "\n", "base64-malformed"),
    ],
)
def test_malformed_keys(text, expected):
    assert reason(Verifier.parse, text) == expected


def test_signatures_of_strangers_are_ignored_unless_one_is_asked_for(signer, witness):
    text = "text\n"
    note = signer.sign(text) + line_of(witness.sign(text))
    assert verify_note(note, [signer.verifier]).signers == (signer.verifier,)
    assert verify_note(note, [witness.verifier, signer.verifier]).signers == (signer.verifier, witness.verifier)
    assert reason(verify_note, note, [signer.verifier], sole_signature=True) == "more-than-one-signature"
    assert reason(verify_note, witness.sign(text), [signer.verifier]) == "not-signed-by-a-known-key"
    namesake = NoteSigner(signer.verifier.name, Ed25519PrivateKey.from_private_bytes(b"\x09" * 32))
    assert reason(verify_note, namesake.sign(text), [signer.verifier]) == "not-signed-by-a-known-key"
    assert reason(verify_note, signer.sign(text), []) == "not-signed-by-a-known-key"


def test_one_wrong_signature_of_a_known_key_spoils_the_note(signer, witness):
    note = signer.sign("text\n") + line_of(witness.sign("other\n"))
    assert reason(verify_note, note, [signer.verifier, witness.verifier]) == "signature-wrong"


def test_text_may_hold_empty_lines(signer):
    for text in ("\n", "a\n\nb\n", "\n\n\n", "— not a signature\n"):
        assert verify_note(signer.sign(text), [signer.verifier]).text == text


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("\n", "\r\n", "control-character"),
        ("text", "te\txt", "control-character"),
        ("text", "te\x00xt", "control-character"),
        ("text", "te\ud800xt", "not-utf-8"),
        ("\n\n", "\n", "note-malformed"),
        ("=\n", "=", "note-malformed"),
        ("=\n", "=\n\n", "note-malformed"),
        ("=\n", "=\nmore\n", "signature-line-malformed"),
        ("— ", "- ", "signature-line-malformed"),
        ("— ", "—  ", "signature-line-malformed"),
        ("— ", " — ", "signature-line-malformed"),
        ("=\n", "= \n", "signature-line-malformed"),
        ("/log ", "/l+og ", "signature-line-malformed"),
        ("/log ", "/l\u2028og ", "signature-line-malformed"),
        ("/log ", "/l\u00a0og ", "signature-line-malformed"),
        ("=\n", "\n", "base64-malformed"),
        ("=\n", "==\n", "base64-malformed"),
        ("text", "Text", "signature-wrong"),
    ],
)
def test_malformed_notes(signer, before, after, expected):
    note = signer.sign("text\n").replace(before, after)
    assert reason(verify_note, note, [signer.verifier]) == expected


def test_signature_lines_neither_repeat_nor_go_on_for_ever(signer, witness):
    note = signer.sign("text\n")
    assert reason(verify_note, note + line_of(note), [signer.verifier]) == "signature-repeated"
    assert reason(verify_note, note + line_of(note) * 16, [signer.verifier]) == "too-many-signatures"
    short = b64encode(signer.verifier.key_id).decode()
    assert (
        reason(verify_note, f"text\n\n— {signer.verifier.name} {short}\n", [signer.verifier])
        == "signature-line-malformed"
    )
    truncated = b64encode(signer.verifier.key_id + bytes(63)).decode()
    assert (
        reason(verify_note, f"text\n\n— {signer.verifier.name} {truncated}\n", [signer.verifier]) == "signature-wrong"
    )


@pytest.mark.parametrize("text", ["no newline", "tab\t\n", "\udfff\n"])
def test_what_no_note_can_hold_is_not_signed(signer, text):
    assert reason(signer.sign, text)


@pytest.mark.parametrize(
    "text", ["A", "AA", "AA=", "AB==", "AAB=", "AA==\n", " AA==", "AA =", "A-_=", "AAAA====", "AA==AA==", "é"]
)
def test_only_canonical_base64(text):
    assert reason(decode_base64, text).startswith("base64-")


@pytest.mark.parametrize("text", ["", "01", "00", "+1", "-1", " 1", "1 ", "1_0", "٣", "²", "1.0", str(2**63), "9" * 30])
def test_only_plain_decimals(text):
    assert reason(parse_decimal, text) == "number-malformed"


def test_decimals():
    assert [parse_decimal(text) for text in ["0", "10", str(2**63 - 1)]] == [0, 10, 2**63 - 1]


def test_checkpoint_round_trip_and_the_specified_example():
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    checkpoint = Checkpoint.parse(text)
    assert (checkpoint.origin, checkpoint.size, len(checkpoint.root)) == ("example.com/behind-the-sofa", 20852163, 32)
    assert checkpoint.format() == text


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("origin", "", "checkpoint-malformed"),
        ("\n7\n", "\n7\n7\n", "checkpoint-malformed"),
        ("=\n", "=", "checkpoint-malformed"),
        ("=\n", "=\nextension\n", "checkpoint-malformed"),
        ("\n7\n", "\n07\n", "number-malformed"),
        ("\n7\n", "\n\n", "number-malformed"),
        ("AAA=", "AAA", "base64-malformed"),
        ("AAA=", "AAB=", "base64-not-canonical"),
        ("AAAA=", "=", "hash-not-32-bytes"),
    ],
)
def test_malformed_checkpoints(before, after, expected):
    text = Checkpoint("origin", 7, bytes(32)).format()
    assert reason(Checkpoint.parse, text.replace(before, after)) == expected


def test_a_checkpoint_is_pinned_to_the_origin_its_key_is_named_for(signer, witness):
    own, foreign = Checkpoint(signer.verifier.name, 7, bytes(32)), Checkpoint("another.example", 7, bytes(32))
    assert verify_checkpoint(signer.sign(own.format()), [signer.verifier]) == own
    assert reason(verify_checkpoint, signer.sign(foreign.format()), [signer.verifier]) == "origin-differs-from-key"
    cosigned_only = witness.sign(own.format())
    assert reason(verify_checkpoint, cosigned_only, [signer.verifier, witness.verifier]) == "origin-differs-from-key"
