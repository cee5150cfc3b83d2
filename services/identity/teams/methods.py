"""Operations on service tokens: operators let the programs of internal teams follow feeds."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from services.identity.accounts.credentials import USE_NOTED_EVERY
from services.identity.application import Identity
from services.identity.teams import hashes as service_token_hashes
from services.identity.teams import queries as service_token_queries
from services.identity.teams.aggregate import ServiceToken
from shared.bus.actors import OPERATOR, Call
from shared.bus.operations import operation
from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import TEAM
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.service.wiring import command_of


class ServiceTokens:
    """What programs of internal teams may follow."""

    app: Identity

    @operation(principals=[OPERATOR])
    def issue_service_token(self, call: Call, team: str, feeds: list[str], expires_at: str) -> Outcome:
        """A token for the programs of a team. It is told here, to a repetition of the command, and nowhere else."""
        command, ends = command_of(call), datetime.fromisoformat(expires_at)

        def issue(work: UnitOfWork) -> Outcome:
            token = ServiceToken(work.new_id())
            work.record(token, token.issue(team, feeds, expires_at=ends, now=work.now))
            secret = service_token_hashes.service_token(self.app.secret, command.id, token.id)
            service_token_hashes.keep(work.connection, token.id, secret)
            return {"token_id": str(token.id), **position(token)}

        issued = self.app.store.perform(command, issue)
        secret = service_token_hashes.service_token(self.app.secret, command.id, UUID(issued["token_id"]))
        return {**issued, "token": secret}

    @operation(principals=[OPERATOR])
    def list_service_tokens(self, call: Call) -> dict[str, Any]:
        with reading(self.app.store.engine) as connection:
            return {"items": service_token_queries.service_tokens(connection)}

    @operation(principals=[OPERATOR])
    def revoke_service_token(self, call: Call, token_id: str) -> Outcome:
        def revoke(work: UnitOfWork) -> Outcome:
            token = work.load(ServiceToken, UUID(token_id))
            work.record(token, token.revoke(now=work.now))
            service_token_hashes.drop(work.connection, token.id)
            return {"token_id": token_id, **position(token)}

        return self.app.store.perform(command_of(call), revoke)


def team_of_token(app: Identity, hashed_token: bytes, now: datetime) -> dict[str, Any] | None:
    """For which team a program acts with a service token, and which feeds it may follow, while the token lasts."""
    with reading(app.store.engine) as connection:
        found = service_token_hashes.find(connection, hashed_token, now)
        if found is None:
            return None
        if found.last_used_at is None or now >= found.last_used_at + USE_NOTED_EVERY:
            service_token_hashes.note_use(connection, found.token_id, now)
    return {
        "session_id": str(found.token_id),
        "account_id": found.team,
        "guard": TEAM,
        "scopes": [f"feed:{publisher}" for publisher in found.feeds],
        "expires_at": rfc3339(found.expires_at),
    }
