"""Operations on API tokens: a person lets programs act for them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from services.identity.access import queries as access_queries
from services.identity.access import tokens as access_tokens
from services.identity.access.aggregate.tokens import Token
from services.identity.access.recognising import must_be_stepped_up
from services.identity.accounts.aggregate import Account
from services.identity.application import Identity
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.times import rfc3339
from shared.eventstore.aggregates import position
from shared.eventstore.limits import Limit
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.service.wiring import command_of

TOKENS = Limit("too-many-tokens", most=25)
"""API tokens of a person."""


class Tokens:
    """What may act for a person without them."""

    app: Identity

    @operation
    def issue_token(self, call: Call, label: str, scopes: list[str], expires_at: str) -> Outcome:
        """A token for the guard of the session. It is told here, to a repetition of the command, and nowhere else."""
        account_id, ends = UUID(call.actor.id), datetime.fromisoformat(expires_at)
        command = command_of(call)

        def issue(work: UnitOfWork) -> Outcome:
            must_be_stepped_up(work, call)
            work.load(Account, account_id).must_be_verified()
            TOKENS.reserve(
                work.connection, account_id, lambda: len(access_tokens.api_tokens_of(work.connection, account_id))
            )
            token = Token(work.new_id())
            work.record(
                token,
                token.issue(account_id, call.actor.kind, scopes, label=label, expires_at=ends, now=work.now),
            )
            secret = access_tokens.api_token(self.app.secret, command.id, token.id)
            access_tokens.keep_api_token(work.connection, token.id, account_id, secret)
            return {"token_id": str(token.id), "issued_at": rfc3339(work.now), **position(token)}

        issued = self.app.store.perform(command, issue)
        return {
            **issued,
            "label": label,
            "guard": call.actor.kind,
            "scopes": sorted(set(scopes)),
            "expires_at": expires_at,
            "token": access_tokens.api_token(self.app.secret, command.id, UUID(issued["token_id"])),
        }

    @operation
    def list_tokens(self, call: Call) -> dict[str, Any]:
        with reading(self.app.store.engine) as connection:
            found = access_queries.api_tokens(connection, self.app.store.keyring, UUID(call.actor.id), call.actor.kind)
        return {"items": found}

    @operation
    def revoke_token(self, call: Call, token_id: str) -> Outcome:
        def revoke(work: UnitOfWork) -> Outcome:
            token = work.load(Token, UUID(token_id))
            work.record(token, token.revoke(UUID(call.actor.id), call.actor.kind, now=work.now))
            access_tokens.drop_api_token(work.connection, token.id, work.now)
            return {"token_id": token_id, **position(token)}

        return self.app.store.perform(command_of(call), revoke)


def end_tokens(work: UnitOfWork, account_id: UUID, ending: str) -> None:
    """Ends every API token of a person."""
    for token_id in access_tokens.api_tokens_of(work.connection, account_id):
        token = work.load(Token, token_id)
        work.record(token, token.end(ending, now=work.now))
        access_tokens.drop_api_token(work.connection, token_id, work.now)
