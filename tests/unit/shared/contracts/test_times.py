"""Times are written one way: RFC 3339 in UTC with microseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.times import rfc3339

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=zones)


@given(moments)
def test_what_is_written_is_the_same_moment(moment):
    assert datetime.fromisoformat(rfc3339(moment)) == moment


@given(moments, moments)
def test_text_order_is_time_order(one, other):
    assert (rfc3339(one) < rfc3339(other)) == (one < other)


def test_an_offset_is_turned_into_utc():
    assert rfc3339(datetime(2026, 11, 1, 12, tzinfo=timezone(timedelta(hours=2)))) == "2026-11-01T10:00:00.000000Z"
    assert rfc3339(datetime(2026, 11, 1, 12, tzinfo=UTC)) == "2026-11-01T12:00:00.000000Z"
