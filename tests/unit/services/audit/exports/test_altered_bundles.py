"""Two thousand altered bundles: none that says something untrue is accepted, and none makes a verifier fall over."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.cli.audit import audit
from services.audit.tree import verify
from tests.unit.services.audit.exports.altering import Case, altered, is_true, truth

SEED = int(os.environ.get("OKACRM_SEED", "20260131"))
CASES = int(os.environ.get("OKACRM_ALTERED", "2000"))
BATCH = 100
REPOSITORY = Path(__file__).parents[5]
MOST_MEMORY = 200 * 1024
"""Kilobytes."""


def arguments(case: Case, place: Path) -> list[str]:
    given = [str(case.put(place)), "--key", truth().key, "--json"]
    if case.kept is not None:
        kept = place.parent / f"{place.name}.kept"
        kept.write_bytes(case.kept.encode("utf-8", "surrogatepass"))
        given += ["--older-checkpoint", str(kept)]
    return given


def by_the_file(given: list[str]) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = verify.main(given)
    assert err.getvalue() == ""
    return code, out.getvalue()


def by_the_platform(given: list[str]) -> tuple[int, str]:
    result = CliRunner().invoke(audit, ["verify", *given])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


@pytest.mark.parametrize("batch", range(CASES // BATCH))
def test_nothing_untrue_is_accepted(batch, tmp_path):
    found = Counter[str]()
    for number in range(BATCH):
        seed = SEED + batch * BATCH + number
        case = altered(seed)
        given = arguments(case, tmp_path / str(number))
        try:
            (code, told), (other, _) = by_the_file(given), by_the_platform(given)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - any would be a verifier that falls over
            pytest.fail(f"OKACRM_SEED={seed} {case.steps}: {error!r}")
        answer = json.loads(told)
        about = f"OKACRM_SEED={seed} OKACRM_ALTERED={BATCH} {case.steps}: {answer}"
        assert code == other, about
        assert (code, answer["verified"]) in {(0, True), (1, False), (2, False)}, about
        assert told.replace("\n", "").isprintable(), about
        if code == 0:
            assert is_true(case), about
            if "evidence.json" not in case.folder and case.zip is None:
                assert "manifest.json" in answer["unproven"][0], about
        if not case.steps:
            assert code == 0, about
        found[f"{'true' if is_true(case) else 'untrue'} {code}"] += 1
    assert found["untrue 1"] > 20, found
    assert found["true 0"] > 5, found


def test_the_judge_of_what_is_true_is_none_of_the_verifiers():
    """What it is to notice, it notices: each untruth by itself, in every file."""
    for files in truth().bundles:
        assert is_true(Case([], folder=files))
        for name, data in files.items():
            for lie in (data.replace(b"2026", b"2025", 1), data + b"x", data.replace(b"1", b"2", 1)):
                if lie != data:
                    assert not is_true(Case([], folder=files | {name: lie})), name
            assert not is_true(Case([], folder={other: files[other] for other in files if other != name}))


def test_the_file_alone_answers_the_same(tmp_path):
    """A sample, as somebody outside runs it; also without the option that isolates it."""
    script = tmp_path / "verify.py"
    script.write_bytes(truth().bundles[0]["verify.py"])
    for number in range(30):
        case = altered(SEED + number)
        given = arguments(case, tmp_path / str(number))
        run = [sys.executable, *(["-I"] if number % 2 else []), str(script), *given]
        ended = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert (ended.returncode, ended.stdout, ended.stderr) == (*by_the_file(given), ""), case.steps


MEASURING = {
    "verify.py": "import verify\nmain = verify.main\n",
    "okacrm audit verify": """
import gc
from click.testing import CliRunner
from deploy.cli.audit import audit

def main(given):
    gc.collect()  # What was raised for the last one still holds what was read.
    return CliRunner().invoke(audit, ["verify", *given]).exit_code
""",
}


@pytest.mark.parametrize("verifier", MEASURING)
def test_no_bundle_takes_the_memory(verifier, tmp_path):
    """A batch of one process: altered ones, and those that are made to be large."""
    asked = [arguments(altered(SEED + number), tmp_path / str(number)) for number in range(100)]
    heavy = [[str(path), "--key", truth().key] for path in large(tmp_path)]
    if verifier == "okacrm audit verify":
        proofs = [path for path in tmp_path.glob("large*/evidence.json") if path.stat().st_size > 1_000_000]
        heavy += [[str(path), "--key", truth().key] for path in proofs]
    (tmp_path / "asked").write_text(json.dumps(asked + heavy))
    script = f"""
import json, re
{MEASURING[verifier]}
codes = [main(given) for given in json.load(open("{tmp_path}/asked"))]
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
print(json.dumps([codes, peak]))
"""
    folder = REPOSITORY / "services" / "audit" / "tree" if verifier == "verify.py" else REPOSITORY
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=folder, env=os.environ
    )
    assert ended.returncode == 0, ended.stderr
    codes, memory = json.loads(ended.stdout.splitlines()[-1])
    assert set(codes[len(asked) :]) == {1, 2}
    assert memory < MOST_MEMORY, memory


def large(place: Path) -> Iterator[Path]:
    """Folders in which one file is as large, or takes as much when it is read, as a verifier lets it."""
    files = truth().bundles[3]
    head, _, records = files["evidence.json"].partition(b',"records":[')
    megabyte = 1 << 20
    bodies: list[tuple[str, Callable[[], bytes]]] = [
        ("evidence.json", lambda: b"[]," * (20 * megabyte)),
        ("evidence.json", lambda: b"[" * (60 * megabyte)),
        ("evidence.json", lambda: head + b',"records":[' + b"[]," * (20 * megabyte)),
        ("evidence.json", lambda: head + b',"records":[' + b'{"a":1},' * (7 * megabyte)),
        ("evidence.json", lambda: head + b',"records":[' + "\U0001f600".encode() + b"a" * (8 * megabyte) + b'"}]}'),
        ("evidence.json", lambda: head + b',"records":[{"a":[' + b"[]," * (2 * megabyte) + b"[]]}]}"),
        ("evidence.json", lambda: head + b',"records":[' + b'{"a":[' + b'{"":[[]]},' * 60_000 + b"]}]}"),
        ("evidence.json", lambda: head + b',"records":[' + records[:-2] + b",{}" * (20 * megabyte) + b"]}"),
        ("evidence.json", lambda: b'{"checkpoint":"' + b"a" * (60 * megabyte) + b'"}'),
        ("manifest.json", lambda: b"[]," * 300_000),
        ("manifest.json", lambda: b"a" * (30 * megabyte)),
        ("manifest.json", lambda: b'{"a":' * 200_000),
        ("records.ndjson", lambda: b"a" * (100 * megabyte)),
        ("records.csv", lambda: b"\0" * (100 * megabyte)),
        ("keys.txt", lambda: b"\n" * (100 * megabyte)),
        ("summary.html", lambda: b"a" * (100 * megabyte)),
    ]
    folders = [(files, name, body) for name, body in bodies]
    folders += [(truth().export, "records.ndjson", body) for _, body in (bodies[0], bodies[1], bodies[12])]
    for number, (others, name, body) in enumerate(folders):
        path = Case([], folder=others).put(place / f"large{number}")
        (path / name).write_bytes(body())
        yield path
