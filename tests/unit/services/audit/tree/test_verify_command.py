import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.cli.audit import audit

REPOSITORY = Path(__file__).parents[5]


@pytest.fixture
def files(tmp_path, log):
    (tmp_path / "bundle.json").write_bytes(log.bundle([2, 5], 12, older=7))
    (tmp_path / "key").write_text(f"{log.signer.verifier}\n")
    (tmp_path / "checkpoint-7").write_text(log.checkpoint(7))
    (tmp_path / "checkpoint-6").write_text(log.checkpoint(6))
    return tmp_path


def run(files, *arguments, key=None):
    return CliRunner().invoke(
        audit, ["verify", str(files / "bundle.json"), "--key", key or f"@{files}/key", *arguments]
    )


def test_what_a_person_reads(files, log):
    for key in (None, str(log.signer.verifier)):
        result = run(files, key=key)
        assert result.exit_code == 0
        assert result.output.startswith("VERIFIED: 2 record(s) are in the log audit.okacrm.example/log\n")
        for text in (
            "checkpoint  12 records, root ",
            "extends     7 records, root ",
            "okacrm.identity.account_registered  00000000-0000-0000-0000-000000000005",
            "log index   5",
            "publisher   identity, epoch 1, position 6",
            "occurred    2026-01-31T09:00:00.000000Z",
            "received    2026-01-31T09:00:00.250000Z",
            "actor       visitor",
        ):
            assert text in result.output


def test_what_a_program_reads(files):
    document = json.loads(run(files, "--json").output)
    assert document["verified"] is True
    assert (document["checkpoint"]["size"], document["extends"]["size"]) == (12, 7)
    assert [record["leaf"]["position"] for record in document["records"]] == [3, 6]


def test_a_changed_byte_fails_with_one_line(files):
    path = files / "bundle.json"
    path.write_bytes(path.read_bytes().replace(b'"index":2', b'"index":3'))
    result = run(files)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "NOT VERIFIED: record 1: root-differs\n"
    result = run(files, "--json")
    assert result.exit_code == 1
    assert json.loads(result.output) == {
        "verified": False,
        "verdict": "not-verified",
        "reason": "root-differs",
        "where": "record 1",
    }


def test_a_checkpoint_kept_from_before(files):
    assert run(files, "--older-checkpoint", str(files / "checkpoint-7")).exit_code == 0
    result = run(files, "--older-checkpoint", str(files / "checkpoint-6"))
    assert (result.exit_code, result.stderr) == (
        1,
        "NOT VERIFIED: older checkpoint: no-consistency-with-older-checkpoint\n",
    )


@pytest.mark.parametrize("key", ["nonsense", "@/does/not/exist", "@"])
def test_keys_that_are_none(files, key):
    assert run(files, key=key).exit_code == 2


def test_verifying_needs_neither_database_nor_network_libraries(files):
    script = (
        "import sys\nfrom deploy.cli.audit import audit\n"
        "try: audit(sys.argv[1:])\nexcept SystemExit as end: assert end.code in (0, None), end.code\n"
        "loaded = {'sqlalchemy', 'psycopg', 'kombu', 'nameko', 'eventlet', 'marshmallow', 'requests'}\n"
        "assert not loaded & set(sys.modules), loaded & set(sys.modules)"
    )
    command = [sys.executable, "-c", script, "verify", str(files / "bundle.json"), "--key", f"@{files}/key"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert ended.returncode == 0, ended.stderr
