"""Whatever is handed to the verifiers, they answer with one line and one of three words, and touch nothing else.

Both are asked: the verifier of one file, and `okacrm audit verify`.
"""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.cli.audit import audit
from services.audit.tree import verify
from services.audit.tree.merkle import EMPTY_ROOT
from services.audit.tree.notes import Checkpoint, NoteSigner
from tests.unit.services.audit.conftest import ORIGIN
from tests.unit.services.audit.exports.test_bundles import NEWEST, QUERIES, SIZE, Files, World, edited, put

WORLD = World(QUERIES["person"])
FILES = WORLD.files()
ZIP = WORLD.bundle()

Judge = Callable[..., tuple[int, str]]


@pytest.fixture(params=["verify.py", "okacrm audit verify"])
def judge(request, tmp_path, capfd) -> Judge:
    """Exit status and all that was printed, of one of the two verifiers, for a path, a ZIP or files."""

    def judged(bundle: Path | bytes | Files, *options: str, key: str = WORLD.key) -> tuple[int, str]:
        if isinstance(bundle, bytes):
            (tmp_path / "bundle.zip").write_bytes(bundle)
            bundle = tmp_path / "bundle.zip"
        elif isinstance(bundle, dict):
            bundle = put(bundle, tmp_path / "unpacked")
        arguments = [str(bundle), "--key", key, *options]
        if request.param == "verify.py":
            code = verify.main(arguments)
            printed = capfd.readouterr()
            return code, printed.out + printed.err
        result = CliRunner().invoke(audit, ["verify", *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return judged


def packed(files: Files, **options: Any) -> bytes:
    """A ZIP as the standard library makes it."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", **{"compression": zipfile.ZIP_DEFLATED, **options}) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, archive.compression)
    return into.getvalue()


def test_the_zip_of_another_writer_in_the_same_form_is_read(judge):
    assert judge(packed(FILES))[0] == 0
    assert judge(packed(FILES, compression=zipfile.ZIP_STORED))[0] == 0


# --- one form of ZIP -------------------------------------------------------------------------------------------------


def encrypted(data: bytes) -> bytes:
    return data[:6] + b"\1" + data[7:]


def linked(files: Files) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if name == "keys.txt" else 0o100600) << 16
            archive.writestr(info, data)
    return into.getvalue()


def twice(files: Files) -> bytes:
    return packed({**files, "keys.tx_": b"other"}).replace(b"keys.tx_", b"keys.txt")


def with_comment(files: Files) -> bytes:
    into = io.BytesIO(packed(files))
    with zipfile.ZipFile(into, "a") as archive:
        archive.comment = b"hello"
    return into.getvalue()


def with_extra(files: Files) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.extra = struct.pack("<HH", 0x7075, 5) + b"\1\0\0\0\0"
            archive.writestr(info, data)
    return into.getvalue()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda: b"\0" + ZIP, "zip-not-in-one-piece"),
        (lambda: b"#!/bin/sh\n" + ZIP, "zip-not-in-one-piece"),
        (lambda: ZIP + b"\0", "no-zip"),
        (lambda: ZIP + ZIP, "zip-not-in-one-piece"),
        (lambda: ZIP[:-30], "no-zip"),
        (lambda: ZIP[:100], "no-zip"),
        (lambda: b"", "no-zip"),
        (lambda: b"PK", "no-zip"),
        (lambda: packed(FILES, compression=zipfile.ZIP_LZMA), "zip-not-plain"),
        (lambda: packed(FILES, compression=zipfile.ZIP_BZIP2), "zip-not-plain"),
        (lambda: encrypted(ZIP), "zip-headers-differ"),
        (lambda: ZIP.replace(b"keys.txt", b"keyz.txt", 1), "file-unknown"),
        (lambda: ZIP.replace(b"keys.txt", b"KEYS.txt"), "file-unknown"),
        (lambda: ZIP.replace(b"keys.txt", b"../a.txt"), "file-unknown"),
        (lambda: ZIP.replace(b"keys.txt", b"keys\0txt"), "file-unknown"),
        (lambda: packed(FILES | {"README.txt": b"VERIFIED"}), "file-unknown"),
        (lambda: packed({f"bundle/{name}": data for name, data in FILES.items()}), "file-unknown"),
        (lambda: linked(FILES), "zip-not-plain"),
        (lambda: twice(FILES), "file-repeated"),
        (lambda: with_comment(FILES), "no-zip"),
        (lambda: with_extra(FILES), "zip-not-in-one-piece"),
    ],
)
def test_a_zip_of_another_form_cannot_be_read(judge, change, reason):
    code, printed = judge(change())
    assert (code, printed.split(": ")[0], printed.split()[-1]) == (2, "CANNOT BE READ", reason)


def test_local_headers_that_name_other_files(judge):
    """One reader goes by the headers, another by the directory: each would find other files."""
    swapped = ZIP.replace(b"records.csv", b"records.cs_", 1)
    assert judge(swapped)[0] == 2
    at = ZIP.index(b"PK\1\2")
    assert judge(ZIP[:at] + b"PK\3\4" + ZIP[at + 4 :])[0] == 2


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_bomb_is_not_unpacked(judge, name):
    bomb = b"0" * (300 << 20) if name == "summary.html" else b"0" * (90 << 20)
    code, printed = judge(packed(FILES | {name: bomb}))
    assert code in (1, 2)
    assert printed.count("\n") <= 2


def test_a_stream_that_ends_early_or_goes_on(judge):
    at = ZIP.index(b"keys.txt") + len(b"keys.txt")
    broken = bytearray(ZIP)
    broken[at] ^= 0xFF
    assert judge(bytes(broken))[0] == 2


# --- folders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", ["argparse.py", "bundle.zip", "evidence.json ", "EVIDENCE.JSON", "\u202etxt.syek"])
def test_a_folder_holds_nothing_else(judge, tmp_path, extra):
    folder = put(FILES, tmp_path / "folder")
    (folder / extra).write_bytes(b"VERIFIED")
    code, printed = judge(folder)
    assert (code, printed.endswith("file-unknown\n")) == (2, True)
    assert printed.replace("\n", "").isprintable()


def test_a_folder_holds_no_links_pipes_or_folders(judge, tmp_path):
    folder = put(FILES, tmp_path / "folder")
    for make in (
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(tmp_path / "kept"),
        os.mkfifo,
        Path.mkdir,
    ):
        (tmp_path / "kept").write_bytes(FILES["keys.txt"])
        path = folder / "keys.txt"
        path.rmdir() if path.is_dir() else path.unlink()
        make(path)
        code, printed = judge(folder)
        assert (code, printed) == (2, "CANNOT BE READ: keys.txt: not-a-regular-file\n")


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_sparse_file_of_a_terabyte(judge, tmp_path, name):
    folder = put(FILES, tmp_path / "folder")
    if name in ("summary.html", "verify.py", "keys.txt"):
        os.truncate(folder / name, 300 << 20)
    else:
        os.truncate(folder / name, 1 << 40)
    assert judge(folder)[0] in (1, 2)


# --- JSON, CSV and notes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["evidence.json", "manifest.json", "records.ndjson", "records.csv", "keys.txt"])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"[],[]," * 1_000_000,
        b"9" * 5_000,
        b'{"format":"okacrm-export/v1","records":' + b"9" * 5_000 + b"}",
        b'{"format":"okacrm-evidence/v1","records":[' + b"9" * 5_000 + b"}]}",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b"\0",
        b'index,event_id\r\n"\0',
        b'"\\ud800"',
        b"NaN",
        b"[Infinity]",
        b"1.0",
        b"1e400",
        b'{"a":1,"a":1}',
    ],
    ids=range(17),
)
def test_texts_that_make_readers_stumble(judge, name, data):
    code, printed = judge(FILES | {name: data})
    assert code in (1, 2)
    assert printed.startswith(("NOT VERIFIED: ", "CANNOT BE READ: "))


def test_a_key_that_stands_twice_and_true_for_one(judge):
    files = World("").files()
    for name, before, after in (
        ("manifest.json", b'"records":', b'"records":0,"records":'),
        ("manifest.json", b'"publishers":[]', b'"publishers":[],"publishers":[]'),
        ("evidence.json", b'"index":1,', b'"index":true,'),
        ("evidence.json", b'"index":', b'"index":0,"index":'),
        ("evidence.json", b'"index":1,', b'"index":1.0,'),
    ):
        assert before in files[name]
        assert judge(files | {name: files[name].replace(before, after, 1)})[0] == 1


@pytest.mark.parametrize("size", ["100000000000000000000", "9" * 5_000, str(2**63), "-1", "01", "٣"])
def test_a_signed_size_that_is_none(judge, size):
    root = WORLD.log.checkpoint(SIZE).split("\n")[2]
    note = WORLD.signer.sign(f"{ORIGIN}\n{size}\n{root}\n")
    lie = edited(FILES, "evidence.json", lambda document: document.update(checkpoint=note))
    code, printed = judge(lie)
    assert (code, printed) == (1, "NOT VERIFIED: checkpoint: number-malformed\n")


def test_a_consistency_file_that_is_odd(judge, tmp_path):
    kept, answer = tmp_path / "kept", tmp_path / "answer"
    kept.write_text(WORLD.log.checkpoint(12))
    path = [verify.b64encode(each).decode() for each in WORLD.log.consistency(12, NEWEST).path]
    good = json.dumps({"from": 12, "to": NEWEST, "hashes": path}, indent=1)
    options = ("--older-checkpoint", str(kept), "--consistency", str(answer))
    for text, code in (
        (good, 0),
        (good.replace('"from": 12', '"from": 3, "from": 12'), 1),
        (good.replace("12", "12.0"), 1),
        (good.replace("12", "9" * 5_000), 1),
        ("[" * 100_000, 1),
        ("null", 1),
    ):
        answer.write_text(text)
        assert judge(FILES, *options)[0] == code


# --- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["@/dev/zero", "@/etc/passwd", "@/dev/stdin", "@keys.txt"])
def test_a_line_of_keys_opens_no_file(judge, tmp_path, line, capfd):
    listed = tmp_path / "listed"
    listed.write_text(f"{line}\n")
    code, printed = judge(FILES, key=f"@{listed}")
    assert (code, printed.startswith("CANNOT BE READ: ")) == (2, True)
    folder = put(FILES | {"keys.txt": f"{line}\n".encode()}, tmp_path / "folder")
    assert verify.main([str(folder)]) == 1
    assert capfd.readouterr().err.startswith("NOT VERIFIED: keys.txt: ")


def test_a_file_of_keys_is_a_bounded_regular_file(judge, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"\n" * (2 << 20))
    (tmp_path / "latin").write_bytes(b"caff\xe8")
    for name in ("/dev/zero", f"{tmp_path}/pipe", f"{tmp_path}/large", f"{tmp_path}/latin", str(tmp_path), "@", ""):
        assert judge(FILES, key=f"@{name}")[0] == 2


def test_nothing_that_moves_the_cursor_is_printed(judge, tmp_path, capfd):
    evil = "evil\x1b]0;owned\x07\u202e.example"
    key = WORLD.key.replace(ORIGIN, evil)
    assert judge(FILES, key=key)[0] == 2
    for name in ("keys.txt", "manifest.json"):
        lie = FILES | {name: FILES[name].replace(b"okacrm", "\x1b[2J\u202e\u2028".encode())}
        printed = judge(lie)[1]
        assert printed.replace("\n", "").isprintable()
    folder = put(FILES | {"keys.txt": f"{key}\n".encode()}, tmp_path / "folder")
    assert verify.main([str(folder)]) == 1
    assert capfd.readouterr().err.replace("\n", "").isprintable()


# --- checkpoints that were kept --------------------------------------------------------------------------------------


def witnessed(note: str) -> str:
    """The note with lines of keys that nobody here knows, as witnesses add them, one of another kind of key."""
    witness = NoteSigner("witness.example/w1", Ed25519PrivateKey.from_private_bytes(bytes(32)))
    line = witness.sign("anything\n").rpartition("\n\n")[2]
    longer = f"— witness.example/w2 {verify.b64encode(bytes(range(4, 200))).decode()}\n"
    namesake = f"— {ORIGIN} {verify.b64encode(bytes(68)).decode()}\n"
    return note + line + longer + longer + namesake


def test_lines_of_unknown_keys_in_a_kept_checkpoint_are_ignored(judge, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text(witnessed(WORLD.log.checkpoint(SIZE)))
    code, printed = judge(FILES, "--older-checkpoint", str(kept))
    assert (code, f"begins with the {SIZE} records" in printed) == (0, True)
    for lie in (
        witnessed(WORLD.log.checkpoint(SIZE)).replace(f"\n{SIZE}\n", f"\n{SIZE - 1}\n"),
        witnessed("").lstrip(),
        WORLD.log.checkpoint(SIZE) + WORLD.log.checkpoint(SIZE).rpartition("\n\n")[2],
        WORLD.log.checkpoint(SIZE).replace("\n\n", "\n\n\n"),
        WORLD.log.checkpoint(SIZE) + "\n",
        WORLD.log.checkpoint(SIZE).replace("\n", "\r\n"),
    ):
        kept.write_bytes(lie.encode())
        assert judge(FILES, "--older-checkpoint", str(kept))[0] == 1


def test_a_witness_has_no_line_in_a_bundle(judge):
    lie = edited(FILES, "evidence.json", lambda each: each.update(checkpoint=witnessed(each["checkpoint"])))
    assert judge(lie) == (1, "NOT VERIFIED: checkpoint: more-than-one-signature\n")


def test_of_an_empty_log_nothing_follows(judge, tmp_path):
    kept, answer = tmp_path / "kept", tmp_path / "answer"
    kept.write_text(WORLD.log.checkpoint(0))
    options = ("--older-checkpoint", str(kept))
    code, printed = judge(FILES, *options)
    assert (code, "still begins" in printed, "Not proven: that the log is the one you saw" in printed) == (
        0,
        False,
        True,
    )
    for hashes, expected in (([], 0), ([verify.b64encode(bytes(32)).decode()], 1)):
        answer.write_text(json.dumps({"from": 0, "to": NEWEST, "hashes": hashes}))
        assert judge(FILES, *options, "--consistency", str(answer))[0] == expected
    kept.write_text(WORLD.signer.sign(Checkpoint(ORIGIN, 0, bytes(32)).format()))
    assert judge(FILES, *options) == (1, "NOT VERIFIED: older checkpoint: root-differs\n")


def test_a_tree_without_leaves_is_one_tree():
    empty = verify.Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    verify.check_consistency(empty, empty, [], "log")
    for old, new in (
        (empty, verify.Checkpoint(ORIGIN, 0, bytes(32))),
        (verify.Checkpoint(ORIGIN, 0, bytes(32)), empty),
    ):
        with pytest.raises(verify.Invalid, match="root-differs"):
            verify.check_consistency(old, new, [], "log")


# --- on a machine of somebody else -----------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["argparse", "json", "__future__", "os", "cryptography", "typing", "sitecustomize"])
@pytest.mark.parametrize("isolated", [True, False])
def test_a_module_beside_the_verifier_is_not_run(tmp_path, module, isolated):
    (tmp_path / "verify.py").write_bytes(FILES["verify.py"])
    (tmp_path / f"{module}.py").write_text("print('VERIFIED')\nraise SystemExit(0)\n")
    (tmp_path / "bundle.zip").write_bytes(packed(FILES | {"records.csv": b"invented"}))
    run = [sys.executable, *(["-I"] if isolated else []), "verify.py", "bundle.zip", "--key", WORLD.key]
    ended = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", "NOT VERIFIED: records.csv: records-differ\n")


def test_a_terminal_without_unicode_shows_what_it_can(tmp_path):
    (tmp_path / "verify.py").write_bytes(FILES["verify.py"])
    (tmp_path / "bundle.zip").write_bytes(ZIP)
    run = [sys.executable, "-I", "-X", "utf8=0", "verify.py", "bundle.zip", "--key", f"{WORLD.key}\u00e9"]
    environment = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    ended = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert (ended.returncode, "Traceback" in ended.stderr) == (2, False)
