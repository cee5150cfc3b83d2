"""The commands that the README and docs/tour.md print, pasted into a shell at once as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.platform import Platform

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROBLEM = re.compile(r"okacrm\.net/problems/([a-z-]+)")


README = ("README.md", "## Five minutes")
TOUR = ("docs/tour.md", "# The tour goes on")


def commands(document: str, begins: str) -> str:
    """All blocks of a document from a heading on, as somebody copies them."""
    _, heading, rest = (ROOT / document).read_text().partition(f"{begins}\n")
    assert heading, f"{document} has no {begins}"
    return "\n".join(BLOCK.findall(rest))


def pasted(text: str, platform: Platform) -> subprocess.CompletedProcess[str]:
    """What a shell says to it, in the checkout and with the tools of this run."""
    tools = str(Path(sys.executable).parent)
    environment = {"PATH": os.environ["PATH"], "OKACRM_STATE_DIR": str(platform.state.root)}
    return subprocess.run(
        ["bash"],
        input=text.replace(".venv/bin", tools),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def untracked() -> str | None:
    """What git has to say about the checkout, if it is one."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        return None
    status = ["git", "status", "--porcelain", "--untracked-files=all"]
    return subprocess.run(status, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture(autouse=True)
def _leaves_nothing_behind():
    before = untracked()
    yield
    assert untracked() == before


def test_the_five_minutes_of_the_readme(platform: Platform) -> None:
    shown = pasted(commands(*README), platform)

    assert shown.returncode == 0, shown.stdout + shown.stderr
    # One character was changed, which is said on standard error; nothing else is.
    assert shown.stderr.strip() == "NOT VERIFIED: record 1: root-differs"
    assert PROBLEM.findall(shown.stdout) == ["not-signed-in"], shown.stdout
    assert '"email_verified":true' in shown.stdout
    assert shown.stdout.index('"state":"granted"') < shown.stdout.index('"state":"withdrawn"')
    assert '"type":"okacrm.identity.account_registered"' in shown.stdout
    first, destroyed, second = (
        shown.stdout.index("VERIFIED: 1 record(s)"),
        shown.stdout.index("Destroyed 3 keys"),
        shown.stdout.rindex("VERIFIED: 1 record(s)"),
    )
    assert first < destroyed < second


def test_the_tour_that_goes_on(platform: Platform) -> None:
    shown = pasted(commands(*TOUR), platform)

    assert shown.returncode == 0, shown.stdout + shown.stderr
    # A check says how far it is where there is much to look at, as on a platform that other tests have used.
    assert [line for line in shown.stderr.splitlines() if not line.endswith(" 0 findings")] == []
    assert PROBLEM.findall(shown.stdout) == [], shown.stdout
    for said in ('"recovery_codes":[', '"ended":1', '"next_cursor":"1.1.', "All is well.", "CLEAN: "):
        assert said in shown.stdout, said
    changed = shown.stdout[shown.stdout.index('{"actor":') :].splitlines()[0]
    assert "okacrm.identity.account_profile_changed" in changed
    assert "Hopper" not in changed


@pytest.mark.parametrize("document", [README, TOUR], ids=lambda document: document[0])
def test_all_that_is_written_lies_where_git_does_not_look(document: tuple[str, str]) -> None:
    written = re.findall(r"(?:> |-o |-c )([\w./-]+)", commands(*document))

    assert written
    assert all(path.startswith(".local/tour/") for path in written), written
