"""The page about security names each requirement once, and only tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "security.md").read_text()

SECTIONS = {
    "2.1": 12, "2.2": 3, "2.3": 3, "2.4": 5, "2.5": 7, "2.6": 3, "2.7": 6, "2.8": 7, "2.9": 3, "2.10": 4,
    "3.1": 1, "3.2": 4, "3.3": 4, "3.4": 5, "3.5": 3, "3.7": 1,
    "4.1": 5, "4.2": 2, "4.3": 3,
}  # fmt: skip
"""How many requirements of levels 1 and 2 each section of ASVS 4.0.3 has; they are numbered without a gap."""
WITHDRAWN = {"4.1.4"}
REQUIREMENTS = [
    number
    for section, count in SECTIONS.items()
    for number in (f"{section}.{index}" for index in range(1, count + 1))
    if number not in WITHDRAWN
]

ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(?:\w+::)?(\w+)`")


def test_every_requirement_is_listed_once_and_in_order() -> None:
    assert [number for number, _, _ in ROW.findall(PAGE)] == REQUIREMENTS


@pytest.mark.parametrize(("number", "shown_by"), [(number, shown_by) for number, _, shown_by in ROW.findall(PAGE)])
def test_a_requirement_has_a_test_or_a_reason_or_is_missing(number: str, shown_by: str) -> None:
    assert TEST.search(shown_by) or re.match(r"(Does not apply|Missing): .{10}", shown_by), number


FAULTS = re.compile(r"^\| ([^|]+) \| ([^|]+) \| (`tests/[^|]+) \|$", re.MULTILINE)
FILE = re.compile(r"`([\w/]+\.(?:py|md))`")


@pytest.mark.parametrize(("kind", "mended", "shown_by"), FAULTS.findall(PAGE.partition("## Kinds of faults")[2]))
def test_a_kind_of_fault_is_mended_somewhere_and_held_by_tests(kind: str, mended: str, shown_by: str) -> None:
    assert TEST.search(shown_by), kind
    assert all((ROOT / file).exists() for file in FILE.findall(mended)), kind


@pytest.mark.parametrize(("path", "name"), sorted(set(TEST.findall(PAGE))))
def test_a_test_that_is_named_is_there(path: str, name: str) -> None:
    assert re.search(rf"^ *def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
