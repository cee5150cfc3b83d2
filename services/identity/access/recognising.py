"""Recognising a person beyond their password: the second factor, and the fresh proof that sensitive operations need."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from services.identity.access import second_factors
from services.identity.access import tokens as access_tokens
from services.identity.access.second_factors import CodeUse
from services.identity.accounts.aggregate import Account
from services.identity.application import Identity
from shared.bus.actors import OPERATOR, Call
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import STAFF_GUARDS
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
    """Uses up a code of the authenticator, or else a recovery code.

    Raises `Problem("second-factor-refused")`, which says so if the code is `replayed`: then somebody has seen it.
    """
    use = second_factors.use_code(work.connection, app.store.keyring, account.id, code, work.now)
    if use is CodeUse.COUNTED:
        return
    if use is CodeUse.REPLAYED:
        raise Problem("second-factor-refused", replayed=True)
    remaining = second_factors.use_recovery_code(work.connection, app.secret, account.id, code)
    if remaining is None:
        raise Problem("second-factor-refused")
    work.record(account, account.use_recovery_code(remaining, now=work.now))


def must_be_stepped_up(work: UnitOfWork, call: Call) -> None:
    """Raises unless the caller showed a moment ago that they are the person, by what their guard asks for.

    The gateway asks before it calls; what is sensitive does not rely on that. The problem is `step-up-required`, or
    that of `must_have_second_factor`.
    """
    must_have_fresh_proof(work, call)
    must_have_second_factor(work.connection, call)


def must_have_fresh_proof(work: UnitOfWork, call: Call) -> None:
    """Raises `Problem("step-up-required")` unless the caller showed a moment ago that they are the person.

    A password is enough for that where no second factor is enabled, so that one can be.
    """
    session_id = call.actor.session_id
    if not session_id or not access_tokens.is_stepped_up(work.connection, UUID(session_id), work.now):
        raise Problem("step-up-required")


def must_have_second_factor(connection: Connection, call: Call) -> None:
    """Raises `Problem("second-factor-missing")` for somebody of the house who has shown no second factor."""
    session_id = call.actor.session_id
    if call.actor.kind not in STAFF_GUARDS:
        return
    if not session_id or not access_tokens.has_second_factor(connection, UUID(session_id)):
        raise Problem("second-factor-missing")


def must_be_of_the_house(work: UnitOfWork, call: Call, guards: Sequence[str]) -> None:
    """Raises a `Problem` unless an operator calls, or somebody under one of these guards who stepped up."""
    if call.actor.kind != OPERATOR:
        if call.actor.kind not in guards:
            raise Problem("wrong-guard")
        must_be_stepped_up(work, call)
