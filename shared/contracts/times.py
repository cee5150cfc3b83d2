"""How times are written: RFC 3339 in UTC with microseconds, so that text order is time order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from marshmallow import fields

FIRST_MOMENT, END_OF_TIMES = datetime(1900, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
"""Times that are told us from outside lie from the first on and before the second.

Nearer to the ends of what Python and PostgreSQL can say, adding a day or changing the time zone fails.
"""


def rfc3339(moment: datetime) -> str:
    """An aware time, such as `2026-11-01T12:00:00.000000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Moment(fields.AwareDateTime):
    """A time in an event."""

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **options: Any) -> str | None:
        return None if value is None else rfc3339(value)
