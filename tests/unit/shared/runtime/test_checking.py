"""How a check speaks: bounded, and never in values."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from shared.runtime.checking import Following, Report, Tally, told

ID = UUID(int=7)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (17, "17"),
        (ID, str(ID)),
        (f"influencer:{ID}", f"influencer:{ID}"),
        (f"account-{ID}", f"account-{ID}"),
        ("okacrm.identity.consent_granted", "okacrm.identity.consent_granted"),
        (datetime(2026, 11, 1, 12, tzinfo=UTC), "2026-11-01T12:00:00.000000Z"),
        (sha256(b"").digest(), sha256(b"").hexdigest()),
    ],
)
def test_ids_numbers_times_and_hashes_are_told(value: Any, text: str) -> None:
    assert told(value) == text


@pytest.mark.parametrize("value", ["ada@example.org", "Ada Lovelace", "Ada", "1 rue X", "a\nb", "", b"bytes", ["x"]])
def test_anything_else_is_told_by_its_hash(value: Any) -> None:
    data = value if isinstance(value, bytes) else str(value).encode()
    assert told(value) == f"sha256:{sha256(data).hexdigest()}"


def test_of_each_kind_the_first_are_told_and_all_are_counted() -> None:
    findings: list[Any] = []
    report = Report(tell=findings.append, limit=2)
    for number in range(5):
        report.unless_equal("odd", f"number {number}", 0, number % 2)
    report.add("other", "somewhere")
    assert [str(finding) for finding in findings] == [
        "odd  number 1  expected 0, found 1",
        "odd  number 3  expected 0, found 1",
        "other  somewhere",
    ]
    assert report.findings == {"odd": 2, "other": 1}
    assert not report.clean


def test_rows_are_handed_out_by_their_number() -> None:
    rows = [SimpleNamespace(n=number) for number in (1, 1, 4, 6)]
    following = Following(iter(rows), "n")  # type: ignore[arg-type]
    assert [row.n for row in following.up_to(0)] == []
    assert [row.n for row in following.up_to(1)] == [1, 1]
    assert [row.n for row in following.up_to(5)] == [4]
    assert [row.n for row in following.rest()] == [6]


def test_a_tally_keeps_the_last_number_of_each_key() -> None:
    tally = Tally()
    assert (tally.put("a", 1), tally.put("a", 2), tally.put("b", 9)) == (0, 1, 0)
    assert (tally.take("a"), tally.take("a")) == (2, 0)
    assert list(tally.items()) == [("b", 9)]
