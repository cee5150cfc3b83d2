"""Operations on second factors, and the fresh proof with which a session is stepped up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from services.identity.access import second_factors
from services.identity.access import tokens as access_tokens
from services.identity.access.aggregate.sessions import Session
from services.identity.access.attempts import proving
from services.identity.access.methods.sessions import renew_token, renewed_token
from services.identity.access.recognising import must_be_stepped_up, must_have_fresh_proof, recognise
from services.identity.access.second_factors import CodeUse
from services.identity.accounts import credentials
from services.identity.accounts.aggregate import Account
from services.identity.application import Identity
from services.identity.lifecycle.ending import decide
from shared.bus.actors import Call
from shared.bus.operations import operation
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.service.wiring import command_of


class SecondFactors:
    """What people show beside their password."""

    app: Identity

    @operation
    def enrol_authenticator(self, call: Call) -> dict[str, Any]:
        """Makes a secret for a person's authenticator and tells it, until it is confirmed with a code."""
        account_id, command = UUID(call.actor.id), command_of(call)
        secret = second_factors.new_secret()

        def enrol(work: UnitOfWork) -> Outcome:
            must_have_fresh_proof(work, call)
            account = work.load(Account, account_id)
            account.must_lack_second_factor()
            second_factors.enrol(work.connection, self.app.store.keyring, account_id, command.id, secret)
            return position(account)

        enrolled = self.app.store.perform(command, enrol)
        with reading(self.app.store.engine) as connection:
            kept = second_factors.authenticator_of(connection, self.app.store.keyring, account_id)
        if kept is None or kept.secret is None or kept.confirmed or kept.enrolment_id != command.id:
            raise Problem("conflict")
        email = self.app.store.load(Account, account_id).email
        label = email if isinstance(email, str) else str(account_id)
        return {**enrolled, "secret": kept.secret, "uri": second_factors.provisioning_uri(kept.secret, label)}

    @operation
    def enable_second_factor(self, call: Call, one_time_code: str) -> dict[str, Any]:
        """Confirms the authenticator that was enrolled, and tells the recovery codes."""

        def enable(work: UnitOfWork, account: Account) -> None:
            account.must_lack_second_factor()
            keyring = self.app.store.keyring
            use = second_factors.use_code(work.connection, keyring, account.id, one_time_code, work.now)
            if use is not CodeUse.COUNTED:
                raise Problem("second-factor-refused")
            second_factors.confirm(work.connection, account.id)
            access_tokens.note_second_factor(work.connection, UUID(call.actor.session_id), shown=True)
            work.record(account, account.enable_second_factor(now=work.now))

        return self._with_recovery_codes(call, enable)

    @operation
    def renew_recovery_codes(self, call: Call) -> dict[str, Any]:
        """Makes new recovery codes in the place of the old ones, and tells them."""

        def renew(work: UnitOfWork, account: Account) -> None:
            work.record(account, account.renew_recovery_codes(now=work.now))

        return self._with_recovery_codes(call, renew)

    def _with_recovery_codes(self, call: Call, change: Callable[[UnitOfWork, Account], None]) -> dict[str, Any]:
        account_id, command = UUID(call.actor.id), command_of(call)
        codes = second_factors.recovery_codes(self.app.secret, command.id, account_id)

        def perform(work: UnitOfWork) -> Outcome:
            must_have_fresh_proof(work, call)
            account = work.load(Account, account_id)
            change(work, account)
            second_factors.keep_recovery_codes(work.connection, self.app.secret, account_id, codes)
            return position(account)

        return {**self.app.store.perform(command, perform), "recovery_codes": codes}

    @operation
    def disable_own_second_factor(self, call: Call) -> Outcome:
        def disable(work: UnitOfWork) -> Outcome:
            must_be_stepped_up(work, call)
            account = work.load(Account, UUID(call.actor.id))
            return disable_second_factor(work, account, "by_person", keeping=call.actor.session_id)

        return self.app.store.perform(command_of(call), disable)

    @operation
    def step_up(self, call: Call, password: str | None = None, one_time_code: str | None = None) -> Outcome:
        """Marks a session as that of the person for a while, by their second factor or, without one, by password.

        What the session may do has changed, and so its token does.
        """
        account_id = UUID(call.actor.id)

        def step_up(work: UnitOfWork) -> Outcome:
            account = work.load(Account, account_id)
            second_factor = recognise(self.app, work, account, one_time_code)
            if not second_factor and not fits:
                raise Problem("password-refused")
            renew_token(self.app, work, call)
            session = work.load(Session, UUID(call.actor.session_id))
            work.record(session, session.step_up(now=work.now))
            assert session.stepped_up_until is not None
            access_tokens.step_up_session(work.connection, session.id, session.stepped_up_until)
            access_tokens.note_second_factor(work.connection, session.id, shown=second_factor)
            return {
                "session_id": str(session.id),
                "stepped_up_until": rfc3339(session.stepped_up_until),
                **position(session),
            }

        with proving(self.app, call):
            with reading(self.app.store.engine) as connection:
                credential = credentials.credential_of(connection, account_id)
            fits = password is not None and self.app.passwords.fits(credential, password)
            stepped_up = self.app.store.perform(command_of(call), step_up)
        return {**stepped_up, "access_token": renewed_token(self.app, call)}


def disable_second_factor(work: UnitOfWork, account: Account, how: str, *, keeping: str) -> Outcome:
    """Forgets how a person showed more than their password.

    The session with the id `keeping`, in which the person decided it, stays as one without a second factor.
    """
    decide(work, account, account.disable_second_factor(how, now=work.now), keeping=keeping)
    if keeping:
        access_tokens.note_second_factor(work.connection, UUID(keeping), shown=False)
    second_factors.remove(work.connection, account.id)
    return position(account)
