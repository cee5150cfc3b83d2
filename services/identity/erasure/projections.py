"""Whose keys were destroyed, for a keyring that is restored from an older copy."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from shared.contracts.catalogue import published_contracts
from shared.contracts.events import contract_of
from shared.eventstore.projections import OwnProjection
from shared.eventstore.recorded import Recorded
from shared.privacy.keyring import Erasure

erasures = OwnProjection("erasures", "erasures")


def keep_erasure(connection: Connection, event: Any, recorded: Recorded) -> None:
    """Keeps whose keys were destroyed, for a keyring that is restored from an older copy."""
    erasure = contract_of(type(event)).erasure(recorded.data)
    assert erasure is not None, "registered for erasures only"
    subject, category = erasure
    connection.execute(
        text("""
            INSERT INTO erasures AS e (subject, category, erased_at) VALUES (:subject, :category, :erased_at)
            ON CONFLICT (subject, category) DO UPDATE SET erased_at = greatest(e.erased_at, :erased_at)
        """),
        vars(Erasure(subject, category, event.erased_at)),
    )


for _erasing in (each for each in published_contracts() if each.publisher == "identity" and each.erases):
    erasures.on(_erasing.event_class)(keep_erasure)
