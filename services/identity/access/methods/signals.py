"""Operations on security signals: what the gateway saw, what identity sees itself, and what staff look at."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from services.identity.access import devices
from services.identity.access import queries as access_queries
from services.identity.access import tokens as access_tokens
from services.identity.access.aggregate.signals import Signal
from services.identity.access.recognising import must_have_second_factor
from services.identity.application import Identity
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import ACCESS_REFUSALS
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.runtime.clock import now
from shared.service.wiring import command_of, own_command

COUNTED = timedelta(hours=24)
UNDER_WAY = timedelta(seconds=10)
"""Requests that were under way when a token ended arrive within this time, and mean nothing."""


class Signals:
    """What may be an attack."""

    app: Identity

    @operation
    def report_refusal(self, call: Call, kind: str, refused: str) -> Outcome:
        """Writes down that a signed-in person tried an operation that their session may not do."""
        if kind not in ACCESS_REFUSALS:
            raise Problem("validation-failed")

        def report(work: UnitOfWork) -> Outcome:
            signal = Signal(work.new_id())
            refusal = signal.refuse_access(
                kind,
                refused,
                account_id=UUID(call.actor.id),
                session_id=UUID(call.actor.session_id),
                now=work.now,
            )
            work.record(signal, refusal)
            return {"signal_id": str(signal.id)}

        return self.app.store.perform(command_of(call), report)

    @operation
    def list_signals(self, call: Call, kind: str | None, cursor: str | None, limit: int) -> dict[str, Any]:
        with reading(self.app.store.engine) as connection:
            must_have_second_factor(connection, call)
            return access_queries.signals(connection, kind, UUID(cursor) if cursor else None, limit)

    @operation
    def count_signals(self, call: Call) -> dict[str, Any]:
        """How many signals there were in the last day."""
        since = now() - COUNTED
        with reading(self.app.store.engine) as connection:
            must_have_second_factor(connection, call)
            return {"since": rfc3339(since), "counts": access_queries.signal_counts(connection, since)}


def report_misused_token(app: Identity, call: Call, hashed_token: bytes, moment: datetime) -> None:
    """Writes down that a token was presented after its end, once an hour however often it is."""
    with reading(app.store.engine) as connection:
        owner = access_tokens.owner_of_ended_token(connection, hashed_token, before=moment - UNDER_WAY)
    if owner is None:
        return

    def report(work: UnitOfWork) -> Outcome:
        signal = Signal(work.new_id())
        network = devices.network_index(app.secret, call.client)
        work.record(signal, signal.misuse_token("after_its_end", owner, network, now=work.now))
        return {"signal_id": str(signal.id)}

    once_an_hour = uuid5(NAMESPACE_OID, f"{hashed_token.hex()} {moment:%Y-%m-%dT%H}")
    app.store.perform(own_command(call, once_an_hour), report)
