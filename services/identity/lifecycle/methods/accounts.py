"""Operations on accounts: registering, a person's own profile and picture, and closing an account."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from services.identity.access.evenly import evenly
from services.identity.access.linking import may_be_mailed, request_first_password, request_verification
from services.identity.access.recognising import must_be_stepped_up
from services.identity.accounts import credentials, pictures
from services.identity.accounts import queries as account_queries
from services.identity.accounts.aggregate import Account, Registration
from services.identity.accounts.links import PASSWORD_RESET, link_token
from services.identity.application import Identity
from services.identity.cookies.methods import begin_choices
from services.identity.lifecycle.ending import decide
from services.identity.organisations.methods.organisations import change, members_who_can_act, organisations_of
from services.identity.policies import queries as policy_queries
from shared.bus.actors import OPERATOR, Call, Client
from shared.bus.operations import off_the_hub, operation
from shared.contracts.problems import Problem
from shared.contracts.times import rfc3339
from shared.contracts.vocabulary import OPEN_GUARDS, STAFF_GUARDS
from shared.eventstore.aggregates import position
from shared.eventstore.transaction import reading
from shared.eventstore.work import Outcome, UnitOfWork
from shared.service.wiring import command_of

REGISTERING_GUARD = "influencer"
VERSION_OF_THE_REGISTERED = 2
"""Where the stream of a new account stands: it was registered, and the message of verification asked for."""


class Accounts:
    """Who people are."""

    app: Identity

    @operation
    def register_account(
        self,
        call: Call,
        email: str,
        name: str,
        time_zone: str,
        country: str,
        age_statement: bool,
        accepted_policy_version: str,
        password: str,
        locale: str | None = None,
        referral: str | None = None,
    ) -> Outcome:
        """Makes an account. For an address that has one the answer is the same, and whoever has the mailbox is told."""
        registration = Registration(
            email, name, time_zone, country, age_statement, accepted_policy_version, locale, referral
        )
        password_hash = self.app.passwords.hash(password, personal=(email, name))
        email_index = self.app.secret.mailbox_index(email)

        def register_one(work: UnitOfWork) -> Outcome:
            if accepted_policy_version != policy_queries.privacy_policy_in_force(work.connection, work.now):
                raise Problem("policy-version-unknown")
            registration.must_state_age()
            try:
                account = register(self.app, work, REGISTERING_GUARD, registration)
            except Problem as refusal:
                holder = account_queries.account_by_email(work.connection, email_index)
                if refusal.code != "email-taken" or holder is None:
                    raise
                return tell_who_is_registered(self.app, work, holder, call.client)
            request_verification(self.app, work, account, call.client)
            credentials.keep_password(work.connection, account.id, password_hash)
            begin_choices(self.app, work, call, account.id)
            return {"account_id": str(account.id), **position(account)}

        with evenly():
            return self.app.store.perform(command_of(call), register_one)

    @operation(principals=[OPERATOR])
    def create_staff(self, call: Call, registration: dict[str, Any], guard: str) -> Outcome:
        """Makes an account that has no password until its person chooses one, by a link that is told here as well."""
        if guard not in STAFF_GUARDS:
            raise Problem("validation-failed")

        def create(work: UnitOfWork) -> Outcome:
            policy_version = policy_queries.privacy_policy_in_force(work.connection, work.now)
            account = register(self.app, work, guard, Registration(**registration, policy_version=policy_version))
            request_verification(self.app, work, account, call.client)
            request_first_password(self.app, work, account)
            assert account.password_reset is not None
            return {
                "account_id": str(account.id),
                "request_id": str(account.password_reset.id),
                "expires_at": rfc3339(account.password_reset.expires_at),
                **position(account),
            }

        created = self.app.store.perform(command_of(call), create)
        return {**created, "token": link_token(self.app.secret, PASSWORD_RESET, UUID(created["request_id"]))}

    @operation
    def read_profile(self, call: Call) -> dict[str, Any]:
        with reading(self.app.store.engine) as connection:
            return account_queries.profile(connection, self.app.store.keyring, UUID(call.actor.id))

    @operation
    def change_profile(self, call: Call, **changes: str) -> Outcome:
        def change(work: UnitOfWork) -> Outcome:
            account = work.load(Account, UUID(call.actor.id))
            if username := changes.get("username"):
                index = self.app.secret.blind_index("username", username)
                credentials.claim_username(work.connection, index, account.id)
            work.record(account, account.change_profile(changes, now=work.now))
            return position(account)

        changed = self.app.store.perform(command_of(call), change)
        account = self.app.store.load(Account, UUID(call.actor.id), up_to=changed["version"])
        return {**account_queries.account_view(account), **changed}

    @operation
    def read_image(self, call: Call) -> dict[str, Any]:
        with reading(self.app.store.engine) as connection:
            return {"image": account_queries.image(connection, self.app.store.keyring, UUID(call.actor.id))}

    @operation
    def change_image(self, call: Call, image: str) -> Outcome:
        """Keeps a picture of a person, drawn anew from the file they sent, which is base64."""
        return self._keep_image(call, off_the_hub(pictures.portrait, image))

    @operation
    def remove_image(self, call: Call) -> Outcome:
        return self._keep_image(call, None)

    def _keep_image(self, call: Call, image: str | None) -> Outcome:
        def keep(work: UnitOfWork) -> Outcome:
            account = work.load(Account, UUID(call.actor.id))
            work.record(account, account.change_image(image, now=work.now))
            return position(account)

        return self.app.store.perform(command_of(call), keep)

    @operation
    def add_own_guard(self, call: Call, guard: str) -> Outcome:
        """Lets a person sign in under one more of the guards that are open to everybody."""
        if guard not in OPEN_GUARDS:
            raise Problem("validation-failed")

        def add(work: UnitOfWork) -> Outcome:
            account = work.load(Account, UUID(call.actor.id))
            decide(work, account, account.add_guard(guard, now=work.now))
            return {"guards": list(account.guards), **position(account)}

        return self.app.store.perform(command_of(call), add)

    @operation
    def deactivate_own_account(self, call: Call) -> Outcome:
        def deactivate(work: UnitOfWork) -> Outcome:
            must_be_stepped_up(work, call)
            return deactivate_account(work, work.load(Account, UUID(call.actor.id)), "by_person")

        return self.app.store.perform(command_of(call), deactivate)


def register(app: Identity, work: UnitOfWork, guard: str, registration: Registration) -> Account:
    """A new account, whose address is its own."""
    account = Account(work.new_id())
    credentials.claim_email(work.connection, app.secret.mailbox_index(registration.email), account.id)
    work.record(account, account.register(guard, registration, now=work.now))
    return account


def tell_who_is_registered(app: Identity, work: UnitOfWork, account_id: UUID, client: Client | None) -> Outcome:
    """Answers as if an account had been made, and lets the person be told whose address it is.

    The id in the answer is nobody's. A mail that is too many is not sent, as it would not be to somebody new, and then
    the stream of an account is shorter by the event that asks for it.
    """
    account = work.load(Account, account_id)
    told = may_be_mailed(app, work, account.email, client)
    if told:
        work.record(account, account.repeat_registration(now=work.now))
    nobody = Account(work.new_id())
    version = VERSION_OF_THE_REGISTERED - (not told)
    return {"account_id": str(nobody.id), "stream": nobody.stream, "version": version}


def deactivate_account(work: UnitOfWork, account: Account, how: str) -> Outcome:
    """Closes an account to its person, and ends everything by which they, or somebody else, could still get in.

    Raises `Problem("last-owner")` for a person who is needed in an organisation. Staff must be able to shut somebody
    out at once: then another member becomes the owner.
    """
    credentials.keep_others_out(work.connection, account.id)
    theirs = organisations_of(work, account.id)
    if how == "by_person":
        for organisation in theirs:
            organisation.must_not_need(account.id, members_who_can_act(work, organisation))
    decide(work, account, account.deactivate(how, now=work.now))
    for organisation in theirs:
        able = members_who_can_act(work, organisation) - {account.id}
        change(work, organisation, organisation.find_owner("deactivated", able=able, now=work.now))
    return position(account)


def reactivate_account(work: UnitOfWork, account: Account) -> Outcome:
    """Opens an account again; the first who can act again in an organisation becomes its owner, if none can."""
    theirs = organisations_of(work, account.id)
    decide(work, account, account.reactivate(now=work.now))
    for organisation in theirs:
        able = members_who_can_act(work, organisation) | {account.id}
        change(work, organisation, organisation.find_owner("reactivated", able=able, now=work.now))
    return position(account)
