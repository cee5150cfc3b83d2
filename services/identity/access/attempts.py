"""Attempts to sign in: admitted or refused before anything is checked, and counted by how they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from sqlalchemy import Connection

from services.identity.access import devices, throttles
from services.identity.access.aggregate.signals import Signal
from services.identity.access.throttles import Attempt
from services.identity.accounts import credentials
from services.identity.application import Identity
from shared.bus.actors import Call
from shared.contracts.problems import Problem
from shared.eventstore.transaction import reading, writing
from shared.eventstore.work import Outcome, UnitOfWork
from shared.runtime.clock import new_id, now
from shared.service.wiring import own_command

FAILURES = {
    "sign-in-refused": "wrong_password",
    "password-refused": "wrong_password",
    "second-factor-refused": "wrong_second_factor",
    "guard-not-held": "guard_not_held",
}
"""Refusals that count against whoever tries, and the reason that a signal gives for them."""


@contextmanager
def attempted(app: Identity, call: Call, email_index: bytes, account_id: UUID | None) -> Iterator[None]:
    """Around everything that proves who somebody is, who says to be the person with the address of this blind index.

    Raises `Problem("too-many-attempts")` instead of beginning. What is raised inside decides: one of `FAILURES` counts
    and becomes a signal, anything else does not; without an exception, the attempt has succeeded.
    """
    attempt = _admitted(app, call, email_index, account_id)
    try:
        yield
    except Problem as refusal:
        if refusal.code in FAILURES:
            _fail(app, call, attempt, account_id, refusal)
        else:
            _settle(app, throttles.withdraw, attempt)
        raise
    _settle(app, throttles.forgive, attempt)


@contextmanager
def proving(app: Identity, call: Call) -> Iterator[None]:
    """`attempted`, for somebody who is signed in and shows again that they are the person."""
    account_id = UUID(call.actor.id)
    with reading(app.store.engine) as connection:
        email_index = credentials.email_index_of(connection, account_id)
    with attempted(app, call, email_index, account_id):
        yield


def _admitted(app: Identity, call: Call, email_index: bytes, account_id: UUID | None) -> Attempt:
    known_device = False
    if account_id is not None:
        with reading(app.store.engine) as connection:
            device = devices.device_index(app.secret, account_id, call.client)
            known_device = devices.is_known(connection, device, now())
    attempt = Attempt.of(app.secret, email_index, call.client, known_device=known_device)
    with writing(app.store.engine) as connection:
        throttles.admit(connection, attempt, now())
    return attempt


def _settle(app: Identity, settle: Callable[[Connection, Attempt], None], attempt: Attempt) -> None:
    """Corrects the count. Should the database be away now, the attempt has ended all the same, and one is too many."""
    with suppress(Problem), writing(app.store.engine) as connection:
        settle(connection, attempt)


def _fail(app: Identity, call: Call, attempt: Attempt, account_id: UUID | None, refusal: Problem) -> None:
    """Writes down that an attempt failed. Each is a command of its own: trying again is another attempt."""
    network = devices.network_index(app.secret, call.client)

    def fail(work: UnitOfWork) -> Outcome:
        failed = Signal(work.new_id())
        if account_id is not None and refusal.members.get("replayed"):
            work.record(failed, failed.replay_code(account_id, network, now=work.now))
        else:
            reason = FAILURES[refusal.code] if account_id else "unknown_address"
            work.record(failed, failed.fail_sign_in(reason, account_id, network, now=work.now))
        for delay in throttles.fail(work.connection, attempt, work.now):
            throttled = Signal(work.new_id())
            work.record(throttled, throttled.throttle_sign_in(delay.scope, account_id, network, until=delay.until))
        return {"signal_id": str(failed.id)}

    app.store.perform(own_command(call, new_id()), fail)
