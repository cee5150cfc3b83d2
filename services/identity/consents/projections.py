"""The read model of consents, as each person stands now."""

from __future__ import annotations

from sqlalchemy import Connection, text

from services.identity.accounts.erased_rows import drop_rows_of_erased
from shared.contracts.identity import (
    ConsentGranted,
    ConsentWithdrawn,
)
from shared.eventstore.projections import OwnProjection
from shared.eventstore.recorded import Recorded

consents = OwnProjection("consents", "consents")

_SET_CONSENT = text("""
    INSERT INTO consents (account_id, purpose, state, effective_at, record_id)
    VALUES (:account_id, :purpose, :state, :effective_at, :record_id)
    ON CONFLICT (account_id, purpose) DO UPDATE SET
        state = :state, effective_at = :effective_at, record_id = :record_id
""")


@consents.on(ConsentGranted)
def add_consent(connection: Connection, event: ConsentGranted, recorded: Recorded) -> None:
    _set_consent(connection, event, recorded, "granted")


@consents.on(ConsentWithdrawn)
def end_consent(connection: Connection, event: ConsentWithdrawn, recorded: Recorded) -> None:
    _set_consent(connection, event, recorded, "withdrawn")


def _set_consent(
    connection: Connection, event: ConsentGranted | ConsentWithdrawn, recorded: Recorded, state: str
) -> None:
    connection.execute(
        _SET_CONSENT,
        {
            "account_id": event.account_id,
            "purpose": event.purpose,
            "state": state,
            "effective_at": event.effective_at,
            "record_id": recorded.event_id,
        },
    )


drop_rows_of_erased(consents)
