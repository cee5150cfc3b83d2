"""Recognising a person beyond their password: the second factor, and the fresh proof that sensitive operations need."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.identity import credentials, second_factors
from services.identity.accounts import Account
from services.identity.service.application import Identity
from shared.bus.actors import OPERATOR, Call
from shared.contracts.problems import Problem
from shared.eventstore.work import UnitOfWork


def recognise(app: Identity, work: UnitOfWork, account: Account, one_time_code: str | None) -> bool:
    """Whether a person whose password fits showed a second factor as well, which they must if they enabled one.

    A code is used up with the transaction: it counts again if that does not commit. A deactivated account is refused
    in the words for a wrong password, which tell nothing about it.
    """
    if account.deactivated:
        raise Problem("sign-in-refused")
    if not account.second_factor:
        return False
    if one_time_code is None:
        raise Problem("second-factor-required")
    use_one_time_code(app, work, account, one_time_code)
    return True


def use_one_time_code(app: Identity, work: UnitOfWork, account: Account, code: str) -> None:
    """Uses up a code of the authenticator, or else a recovery code. Raises `Problem("second-factor-refused")`."""
    if second_factors.use_code(work.connection, app.store.keyring, account.id, code, work.now):
        return
    remaining = second_factors.use_recovery_code(work.connection, app.secret, account.id, code)
    if remaining is None:
        raise Problem("second-factor-refused")
    work.record(account, account.use_recovery_code(remaining, now=work.now))


def must_be_stepped_up(work: UnitOfWork, call: Call) -> None:
    """Raises `Problem("step-up-required")` unless the caller showed a moment ago that they are the person.

    The gateway asks before it calls; what is sensitive does not rely on that.
    """
    session_id = call.actor.session_id
    if not session_id or not credentials.is_stepped_up(work.connection, UUID(session_id), work.now):
        raise Problem("step-up-required")


def must_be_of_the_house(work: UnitOfWork, call: Call, guards: Sequence[str]) -> None:
    """Raises a `Problem` unless an operator calls, or somebody under one of these guards who stepped up."""
    if call.actor.kind != OPERATOR:
        if call.actor.kind not in guards:
            raise Problem("wrong-guard")
        must_be_stepped_up(work, call)
