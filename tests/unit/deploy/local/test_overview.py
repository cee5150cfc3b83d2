"""What of a platform's state needs somebody to look, and how it is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from deploy.cli._tables import export_table, parked_table
from deploy.cli.status import _as_text
from deploy.local.overview import (
    LONG,
    Cursor,
    Export,
    Feed,
    Log,
    Loop,
    Mails,
    Overview,
    Parked,
    Process,
    Queue,
    _log,
    spell,
    troubles,
    wait_until_well,
)
from deploy.local.state import PlatformError

FEED = Feed("identity", epoch=1, outbox=0, head=1234567, published=1234567, waiting_seconds=None)
CURSOR = Cursor(
    "audit",
    "log",
    "identity",
    epoch=1,
    position=1234567,
    lag=0,
    waiting_seconds=None,
    heard_seconds_ago=0.4,
    halted=None,
)
LOG = Log(
    records=10,
    checkpoint=10,
    checkpoint_seconds_ago=3.0,
    waiting_seconds=None,
    archived=10,
    archive="whole",
    signer="in-step",
)


PARKED = Parked(
    "identity",
    "mail",
    "identity",
    "account-7",
    events=2,
    event_type="okacrm.identity.account_deactivated",
    reason="KeyError",
    parked_seconds_ago=30.0,
    wanted=False,
)


def overview(feed: Feed = FEED, cursor: Cursor = CURSOR, log: Log = LOG) -> Overview:
    return Overview(
        "http://127.0.0.1:8000",
        "http://127.0.0.1:9464/metrics",
        7,
        "/state",
        [Process("gateway", 4711, True), Process("courier audit", None, False)],
        [feed],
        [cursor],
        log,
        [Queue("rpc-audit", 0, 1), Queue("audit.log.identity", None, None)],
    )


class Clock:
    """Looks that each take some seconds, as on a machine that is busy."""

    def __init__(self, *looks: Overview | PlatformError, seconds: float = 8.0) -> None:
        self.now = 0.0
        self.looked = 0
        self._looks, self._seconds = looks, seconds

    def look(self) -> Overview:
        self.now += self._seconds
        look = self._looks[min(self.looked, len(self._looks) - 1)]
        self.looked += 1
        if isinstance(look, PlatformError):
            raise look
        return look

    def wait(self, patience: float) -> Overview:
        return wait_until_well(self.look, patience, clock=lambda: self.now, pause=lambda: None)


def behind(position: int, head: int = 1000) -> Overview:
    late = replace(CURSOR, position=position, lag=head - position, waiting_seconds=LONG + 1)
    return judged(overview(cursor=late))


def judged(seen: Overview) -> Overview:
    seen.troubles = list(troubles(seen))
    return seen


class TestWaitingUntilAllIsWell:
    def test_a_backlog_that_is_worked_off_is_waited_for(self) -> None:
        looks = [behind(position) for position in range(0, 1000, 50)]
        assert Clock(*looks, judged(overview())).wait(30).well

    def test_one_that_stands_still_is_not(self) -> None:
        clock = Clock(behind(7))
        assert not clock.wait(30).well
        assert 30 <= clock.now < 60

    def test_what_is_added_meanwhile_is_not_waited_for_without_end(self) -> None:
        clock = Clock(*(behind(position, head=position + 1000) for position in range(0, 100_000, 50)))
        assert not clock.wait(30).well
        assert 20 <= clock.looked < 40

    def test_a_look_that_takes_longer_than_the_patience_is_not_the_last(self) -> None:
        assert Clock(behind(0), judged(overview()), seconds=31).wait(30).well

    def test_without_patience_there_is_one_look(self) -> None:
        clock = Clock(behind(0), judged(overview()))
        assert not clock.wait(0).well
        assert clock.looked == 1

    def test_a_platform_that_is_still_to_start_is_waited_for(self) -> None:
        assert Clock(PlatformError("none runs"), judged(overview())).wait(30).well
        with pytest.raises(PlatformError, match="none runs"):
            Clock(PlatformError("none runs")).wait(30)


def test_a_platform_at_rest_troubles_nobody() -> None:
    assert list(troubles(overview())) == []


def test_what_waits_for_a_moment_troubles_nobody() -> None:
    feed = replace(FEED, outbox=40, waiting_seconds=LONG - 1)
    cursor = replace(CURSOR, lag=40, waiting_seconds=LONG - 1)
    log = replace(LOG, records=50, waiting_seconds=LONG - 1, signer="guard-ahead")
    assert list(troubles(overview(feed, cursor, log))) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"feed": replace(FEED, outbox=1, waiting_seconds=LONG + 1)}, "wait to be published"),
        ({"cursor": replace(CURSOR, halted="handler-failed")}, "audit.log is halted: handler-failed"),
        ({"cursor": replace(CURSOR, lag=4, waiting_seconds=LONG + 1)}, "4 behind identity"),
        ({"cursor": replace(CURSOR, heard_seconds_ago=LONG + 1)}, "has not heard of identity"),
        ({"log": replace(LOG, records=11, waiting_seconds=LONG + 1)}, "without a checkpoint"),
        ({"log": replace(LOG, records=9)}, "of an older copy"),
        ({"log": replace(LOG, archived=None, archive="0.leaves is missing")}, "0.leaves is missing"),
        ({"log": replace(LOG, archived=9)}, "10 are signed"),
        ({"log": replace(LOG, archived=11)}, "of an older copy"),
        ({"log": replace(LOG, signer="guard-contradicts")}, "guard-contradicts"),
    ],
)
def test_what_needs_somebody_to_look_is_said(changed: dict[str, object], words: str) -> None:
    assert any(words in trouble for trouble in troubles(overview(**changed)))  # type: ignore[arg-type]


def test_a_parked_stream_and_a_mail_that_should_have_gone_are_said() -> None:
    standing = overview()
    standing.mails = [Mails("identity", waiting=3, overdue_seconds=LONG - 1)]
    assert list(troubles(standing)) == []
    standing.mails = [Mails("identity", waiting=3, overdue_seconds=LONG + 1)]
    standing.parked = [PARKED]
    assert list(troubles(standing)) == [
        "identity.mail has parked account-7 (KeyError); events that wait: 2",
        "identity: mails are not sent, the first should have gone 61 s ago",
    ]


EXPORT = Export("7", "csv", records=1200, failures=5, error="ValueError", parked_seconds_ago=30.0)


def test_an_export_that_is_parked_is_said_and_one_that_is_tried_again_is_not() -> None:
    standing = overview()
    standing.exports = [replace(EXPORT, failures=2, parked_seconds_ago=None)]
    assert list(troubles(standing)) == []
    standing.exports = [EXPORT]
    assert list(troubles(standing)) == ["the export 7 is parked after 5 failures (ValueError)"]


def test_exports_that_failed_are_shown_with_what_becomes_of_them() -> None:
    assert list(export_table([EXPORT, replace(EXPORT, failures=2, parked_seconds_ago=None)])) == [
        "",
        "  export  form  records  failures  error       since",
        "  7       csv      1200         5  ValueError  30 s   PARKED",
        "  7       csv      1200         2  ValueError  -      to be tried again",
    ]


FAILING = Loop("audit", "exports", 7, "ValueError", failing_seconds=LONG + 1, failed_seconds_ago=1.0)


@pytest.mark.parametrize(
    "loop",
    [replace(FAILING, failing_seconds=LONG - 1), replace(FAILING, failed_seconds_ago=LONG + 1)],
    ids=["for a moment", "no more"],
)
def test_a_loop_that_fails_for_a_moment_or_no_more_troubles_nobody(loop: Loop) -> None:
    standing = overview()
    standing.loops = [loop]
    assert list(troubles(standing)) == []


def test_a_loop_that_goes_on_failing_is_said() -> None:
    standing = overview()
    standing.loops = [FAILING]
    assert list(troubles(standing)) == ["audit: the loop 'exports' has been failing for 61 s (ValueError)"]


def test_what_is_parked_is_shown_with_where_it_stands() -> None:
    assert list(parked_table([PARKED, replace(PARKED, wanted=True)])) == [
        "",
        "  parked by      stream     events  stands at                            since",
        "  identity.mail  account-7       2  okacrm.identity.account_deactivated  30 s   KeyError",
        "  identity.mail  account-7       2  okacrm.identity.account_deactivated  30 s   to be tried again",
    ]


def test_it_is_shown_in_columns() -> None:
    shown = overview()
    shown.troubles = ["courier audit is not ready"]
    assert "\n".join(_as_text(shown)).splitlines() == [
        "http://127.0.0.1:8000  (process 7, state in /state, metrics at http://127.0.0.1:9464/metrics)",
        "",
        "  process         pid",
        "  gateway        4711  ready",
        "  courier audit     -  NOT READY",
        "",
        "  feed      epoch     head  published  outbox  oldest waiting",
        "  identity      1  1234567    1234567       0  -",
        "",
        "  subscription  follows   position   behind  since  last heard",
        "  audit.log     identity  1/1234567       0  -      0 s         following",
        "",
        "  log    records  checkpoint  signed   archived  signer",
        "  audit       10          10  3 s ago        10  in-step",
        "",
        "  queue               messages  consumers",
        "  rpc-audit                  0          1",
        "  audit.log.identity         -          -",
        "",
        "! courier audit is not ready",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0.2, "0 s"), (119, "119 s"), (121, "2 min"), (7300, "2 h"), (200_000, "2 d")]
)
def test_spans_have_the_unit_that_fits(seconds: float | None, text: str) -> None:
    assert spell(seconds) == text


class GrowingLog:
    """A log to which something is added whenever one looks, seen as a database shows it: one moment a transaction."""

    def __init__(self) -> None:
        self.records = self.archived = self.signed = 10
        self.commit()

    def commit(self) -> None:
        self._snapshot = SimpleNamespace(
            size=self.records, note="", signed_at=datetime.now(UTC), checkpoint=self.signed
        )

    def grow(self) -> None:
        self.records += 3
        self.archived += 3
        self.signed += 3

    def execute(self, statement: str, values: object = None) -> SimpleNamespace:
        seen = self._snapshot
        self.grow()
        if "log_head" in statement:
            return SimpleNamespace(fetchall=lambda: [seen])
        if "checkpoints" in statement:
            newest = SimpleNamespace(size=seen.checkpoint, note=seen.note, signed_at=seen.signed_at)
            return SimpleNamespace(fetchone=lambda: newest)
        return SimpleNamespace(fetchone=lambda: None)


def test_a_log_that_grows_while_it_is_looked_at_is_no_older_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    growing = GrowingLog()
    monkeypatch.setattr("deploy.local.overview._archive", lambda platform: (growing.archived, "whole"))
    monkeypatch.setattr("deploy.local.overview._signer", lambda platform, newest, covered: "in-step")

    log = _log(SimpleNamespace(), growing, growing.signed)
    assert log.checkpoint <= log.archived <= log.records
    assert list(troubles(overview(log=log))) == []
