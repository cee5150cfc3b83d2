"""Read model of the requests for guards of the house: those that wait to be decided."""

from __future__ import annotations

from sqlalchemy import Connection, text

from shared.contracts.identity import AccountErased, GuardRequestApproved, GuardRequested, GuardRequestRefused
from shared.eventstore.projections import OwnProjection
from shared.eventstore.recorded import Recorded

guard_requests = OwnProjection("guard_requests", "guard_requests")


@guard_requests.on(GuardRequested)
def add_request(connection: Connection, event: GuardRequested, recorded: Recorded) -> None:
    connection.execute(
        text("""
            INSERT INTO guard_requests (request_id, account_id, guard, requested_by, requested_at, expires_at)
            VALUES (:request_id, :account_id, :guard, :requested_by, :requested_at, :expires_at)
        """),
        {
            "request_id": event.request_id,
            "account_id": event.account_id,
            "guard": event.guard,
            "requested_by": event.requested_by,
            "requested_at": recorded.time,
            "expires_at": event.expires_at,
        },
    )


@guard_requests.on(GuardRequestApproved)
@guard_requests.on(GuardRequestRefused)
def remove_request(
    connection: Connection, event: GuardRequestApproved | GuardRequestRefused, recorded: Recorded
) -> None:
    connection.execute(text("DELETE FROM guard_requests WHERE request_id = :id"), {"id": event.request_id})


@guard_requests.on(AccountErased)
def forget_person(connection: Connection, event: AccountErased, recorded: Recorded) -> None:
    connection.execute(text("DELETE FROM guard_requests WHERE account_id = :id"), {"id": event.account_id})
