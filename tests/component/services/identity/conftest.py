"""The identity service over databases of a test's own, asked as the gateway and operators ask it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import UUID, uuid4

import pytest
from argon2 import PasswordHasher
from pyotp import TOTP
from sqlalchemy import text

from deploy.local.mailcatcher import catching
from deploy.local.state import StateDirectory
from services.identity.accounts.aggregate import Account
from services.identity.accounts.credentials import Passwords
from services.identity.accounts.links import VERIFICATION, link_token
from services.identity.application import Identity
from services.identity.notices.mail import sender
from services.identity.service import IdentityService
from shared.bus.actors import OPERATOR, VISITOR, Actor, Call, Client
from shared.contracts.problems import Problem
from shared.privacy.secrets import ServiceSecret
from tests.component.services.identity.post import Post
from tests.making import PASSWORD, Clock, email, registration_body

HASHER = PasswordHasher(time_cost=1, memory_cost=1024)
"""Quick, since these tests are not about how long a password takes to check."""
SECRET = ServiceSecret(b"s" * 32)


@dataclass
class Person:
    """Somebody with an account, and the session that they are signed in with."""

    actor: Actor
    email: str
    authenticator: TOTP | None = None

    @property
    def id(self) -> UUID:
        return UUID(self.actor.id)


class Asking:
    """Asks the service; what it refuses is raised as the `Problem` that it is."""

    def __init__(self, app: Identity, clock: Clock) -> None:
        self.app, self.clock = app, clock
        self._service = IdentityService()
        self._service.app = app

    def __call__(
        self,
        operation: str,
        actor: Actor = VISITOR,
        *,
        command_id: UUID | None = None,
        client: Client | None = None,
        **arguments: Any,
    ) -> Any:
        call = Call(
            "identity",
            operation,
            arguments,
            actor,
            str(command_id or uuid4()),
            "test",
            deadline=time.time() + 60,
            client=client,
        )
        reply = getattr(self._service, operation)(call, **arguments)
        if "problem" in reply:
            raise Problem.from_json(reply["problem"])
        return reply["answer"]

    def operator(self, operation: str, **arguments: Any) -> Any:
        return self(operation, Actor(OPERATOR), **arguments)

    def registered(self, **changes: Any) -> str:
        """The address of somebody who has an account and is not signed in."""
        person = registration_body(**changes)
        self("register_account", **person)
        return str(person["email"])

    def signed_in(self, address: str, *, password: str = PASSWORD, guard: str = "influencer", **more: Any) -> Person:
        opened = self("open_session", email=address, password=password, guard=guard, **more)
        return Person(Actor(guard, opened["account_id"], opened["session_id"]), address)

    def unverified(self, **changes: Any) -> Person:
        """Somebody who has registered and signed in, and did not show that the address is theirs."""
        return self.signed_in(self.registered(**changes))

    def person(self, **changes: Any) -> Person:
        """Somebody who has registered, signed in and verified their address."""
        return self.verified(self.unverified(**changes))

    def verified(self, person: Person) -> Person:
        """The same, after following the link that was sent to them."""
        self("verify_email", person.actor, token=self.link(VERIFICATION, self.account(person).verification))
        return person

    def made_one_of_the_house(self, person: Person, guard: str) -> None:
        """Gives somebody a guard of the house, which takes two people."""
        made = self.operator("request_guard", account_id=person.actor.id, guard=guard)
        self("approve_guard", self.member().actor, request_id=made["request_id"])

    def member(self, guard: str = "staff") -> Person:
        """Somebody of the house, in a session that was opened with a second factor and has just been stepped up."""
        return self.enrolled(self.newcomer(guard))

    def newcomer(self, guard: str) -> Person:
        """Somebody of the house who has no second factor yet."""
        address = email()
        registration = {
            "email": address,
            "name": "Grace Hopper",
            "time_zone": "Europe/Paris",
            "country": "FR",
            "age_stated": True,
        }
        made = self.operator("create_staff", registration=registration, guard=guard)
        self("reset_password", token=made["token"], password=PASSWORD)
        return self.signed_in(address, guard=guard)

    def enrolled(self, person: Person) -> Person:
        """The same, after turning a second factor on."""
        self.step_up(person)
        secret = self("enrol_authenticator", person.actor)["secret"]
        person.authenticator = TOTP(secret)
        self("enable_second_factor", person.actor, one_time_code=person.authenticator.at(self.clock()))
        return person

    def step_up(self, person: Person, **proof: str) -> None:
        second_factor = person.authenticator and {"one_time_code": person.authenticator.at(self.clock())}
        self("step_up", person.actor, **(proof or second_factor or {"password": PASSWORD}))

    def account(self, person: Person) -> Account:
        return self.app.store.load(Account, person.id)

    def link(self, purpose: str, request: Any) -> str:
        """The token of the link that a mail about this request holds."""
        return link_token(SECRET, purpose, request.id)

    def rows(self, statement: str, **values: Any) -> list[Any]:
        with self.app.store.engine.connect() as connection:
            return list(connection.execute(text(statement), values))

    def sessions_of(self, person: Person) -> list[str]:
        found = self.rows("SELECT session_id FROM session_tokens WHERE account_id = :id", id=person.id)
        return [str(row.session_id) for row in found]


@pytest.fixture
def post(databases: Any, monkeypatch: pytest.MonkeyPatch) -> Post:
    """Identity's mails, with senders who do not wait for long."""
    monkeypatch.setattr(sender, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(sender, "SHORTEST_PAUSE", 0.02)
    monkeypatch.setattr(sender, "LONGEST_PAUSE", 0.1)
    return Post(databases)


@pytest.fixture
def ports(tmp_path: Path) -> Callable[[str], int]:
    return StateDirectory(tmp_path).port


@pytest.fixture
def catcher(tmp_path: Path, ports: Callable[[str], int]) -> Iterator[tuple[str, Any]]:
    """A mail server that keeps everything: its URL, and what it has kept."""
    smtp_port = ports("smtp")
    with catching(tmp_path / "mail", smtp_port=smtp_port, http_port=ports("page")) as mailbox:
        yield f"smtp://127.0.0.1:{smtp_port}", mailbox


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ask(databases: Any, clock: Clock) -> Asking:
    passwords = Passwords(run=lambda function, *arguments: function(*arguments), secret=SECRET, hasher=HASHER)
    return Asking(Identity(databases.event_store(clock), SECRET, passwords), clock)


@pytest.fixture
def person(ask: Asking) -> Person:
    return ask.person()


def refusal(ask: Callable[[], Any]) -> str:
    """The code of the problem that asking meets."""
    with pytest.raises(Problem) as refused:
        ask()
    return refused.value.code


def at_once(*asks: Callable[[], Any]) -> list[str]:
    """What comes of several who ask at the same moment: `done`, or the code of a problem, in any order."""
    start = Barrier(len(asks))

    def attempt(ask: Callable[[], Any]) -> str:
        start.wait()
        try:
            ask()
        except Problem as problem:
            return problem.code
        return "done"

    with ThreadPoolExecutor(len(asks)) as threads:
        return sorted(threads.map(attempt, asks))
