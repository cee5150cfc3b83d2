"""Whose data was erased, and that the keyring still knows it.

A keyring restored from an older copy holds keys that were destroyed since. Identity keeps a list of its own of every
erasure, and does not serve before the keyring agrees with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from shared.contracts.categories import Category
from shared.privacy.keyring import Erasure, Keyring

log = structlog.get_logger()

ASK_AGAIN_SECONDS = 2.0


def erasures(connection: Connection) -> list[Erasure]:
    """Every erasure that identity has recorded."""
    rows = connection.execute(text("SELECT subject, category, erased_at FROM erasures ORDER BY erased_at"))
    return [Erasure(row.subject, row.category and Category(row.category), row.erased_at) for row in rows]


def await_destructions(engine: Engine, keyring: Keyring, pause: Callable[[float], None] = time.sleep) -> None:
    """Returns once everything that was erased is destroyed in the keyring; until then the alarm is repeated."""
    while True:
        try:
            with engine.connect() as connection:
                recorded = erasures(connection)
            behind = keyring.undone(recorded)
        except OperationalError as error:
            log.warning("keyring_not_compared", error=type(error).__name__)
        else:
            if not behind:
                return
            log.error("keyring_behind_its_destructions", erasures=len(behind))
        pause(ASK_AGAIN_SECONDS)
