"""The documents speak of what is there: files, log events and problems under the names they have."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from shared.contracts.problems import PROBLEMS

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUNBOOK = ROOT / "docs" / "runbook.md"
CODE = ("shared", "services", "gateway", "deploy")

LINK = re.compile(r"\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"(?:shared|services|gateway|deploy|tests|docs)/[\w./-]*")
KEBAB = re.compile(r"[a-z]+(?:-[a-z]+)+")
STATUS_AND_CODE = re.compile(r"([45]\d\d) ([a-z-]+)")
PROBLEM_ADDRESS = re.compile(r"okacrm\.net/problems/([a-z-]+)")
FIRST_CELL = re.compile(r"^\| (`[^|]+`) \| [^|]+ \| [^|]+ \| [^|]+ \|$", re.MULTILINE)
LOGGED = re.compile(r"""\blog\.(info|warning|error)\(\s*"([a-z_]+)["]""")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def named(document: Path) -> str:
    return str(document.relative_to(ROOT))


each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=named)


def prose(document: Path) -> str:
    """The text without its blocks of code."""
    return FENCE.sub("", document.read_text())


def spans(document: Path) -> list[str]:
    return SPAN.findall(prose(document))


@cache
def code() -> str:
    return "\n".join(path.read_text() for folder in CODE for path in sorted((ROOT / folder).rglob("*.py")))


def anchors(document: Path) -> set[str]:
    """The anchors that a renderer gives to headings: lower case, dashes for spaces, nothing else but letters."""
    headings = HEADING.findall(prose(document))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in LINK.findall(prose(document)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@each_document
def test_every_path_exists(document: Path) -> None:
    missing = [span for span in spans(document) if PATH.fullmatch(span) and not (ROOT / span).exists()]
    assert not missing


@each_document
def test_every_problem_is_one(document: Path) -> None:
    text = document.read_text()
    for status, name in STATUS_AND_CODE.findall("\n".join(spans(document))):
        assert name in PROBLEMS, name
        assert PROBLEMS[name].status == int(status), name
    for name in PROBLEM_ADDRESS.findall(text):
        assert name in PROBLEMS, name


@each_document
def test_every_word_with_dashes_is_of_the_code(document: Path) -> None:
    """A problem's code, a reason of an alarm, a header: none is made up, and none is misspelled."""
    known = code() + (ROOT / "Makefile").read_text()
    unknown = [span for span in spans(document) if KEBAB.fullmatch(span) and span not in PROBLEMS and span not in known]
    assert not unknown


@each_document
def test_the_verifier_is_always_run_by_itself(document: Path) -> None:
    """Without -I, Python would load whatever lies beside it under the name of a module that it needs."""
    commands = re.findall(r"python[\d.]* .*verify\.py.*", document.read_text())
    assert all(" -I " in command for command in commands), commands


def test_the_runbook_explains_every_alarm_and_no_other() -> None:
    _, _, alarms = prose(RUNBOOK).partition("## Alarms")
    explained = {name for cell in FIRST_CELL.findall(alarms) for name in SPAN.findall(cell)}
    raised = {name for level, name in LOGGED.findall(code()) if level != "info"}
    assert explained == raised


def test_every_picture_is_shown() -> None:
    shown = {
        (document.parent / link).resolve() for document in DOCUMENTS for link in LINK.findall(document.read_text())
    }
    pictures = set((ROOT / "docs" / "pictures").glob("*"))
    assert pictures <= shown
