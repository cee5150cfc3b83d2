"""Where time and ids come from, at the edges; everything inside is given them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import uuid_utils.compat


def now() -> datetime:
    """The time, aware and in UTC."""
    return datetime.now(UTC)


def new_id() -> UUID:
    """A fresh UUIDv7 (RFC 9562): random, and in order of time."""
    return uuid_utils.compat.uuid7()
