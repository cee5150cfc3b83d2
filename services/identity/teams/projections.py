"""The read model of service tokens: what each of them permits. What they are presented by is kept apart."""

from __future__ import annotations

from sqlalchemy import Connection, text

from shared.contracts.identity import ServiceTokenIssued, ServiceTokenRevoked
from shared.eventstore.projections import OwnProjection
from shared.eventstore.recorded import Recorded

service_tokens = OwnProjection("service_tokens", "service_tokens")


@service_tokens.on(ServiceTokenIssued)
def add_service_token(connection: Connection, event: ServiceTokenIssued, recorded: Recorded) -> None:
    connection.execute(
        text("""
            INSERT INTO service_tokens (token_id, team, feeds, issued_at, expires_at)
            VALUES (:token_id, :team, :feeds, :issued_at, :expires_at)
        """),
        vars(event),
    )


@service_tokens.on(ServiceTokenRevoked)
def remove_service_token(connection: Connection, event: ServiceTokenRevoked, recorded: Recorded) -> None:
    connection.execute(text("DELETE FROM service_tokens WHERE token_id = :token_id"), {"token_id": event.token_id})
