"""Load through HTTP only: people who change their consents and profiles, and who never give up on a command.

A command without a definite answer (503, 504, a lost connection, 409 `conflict`) is sent again under the same
Idempotency-Key until it has one. What clients were told in the end is in `Load.answers`.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from gateway.idempotency import command_id
from shared.bus.actors import VISITOR, Actor
from shared.contracts.vocabulary import PURPOSES
from tests import making
from tests.invariants import Answer

PATIENCE = 180.0
"""Seconds after which a command that still has no definite answer is a failure of the test."""
PAUSE = 0.2
INDEFINITE = frozenset({500, 502, 503, 504})


@dataclass(frozen=True)
class Person:
    """Someone who is signed in."""

    account_id: str
    token: str

    @property
    def actor(self) -> Actor:
        return Actor("influencer", self.account_id)


@dataclass(frozen=True)
class Request:
    """One command: what is asked, under which key, and by whom."""

    method: str
    path: str
    template: str
    key: str
    body: dict[str, Any] | None = None
    person: Person | None = None

    @property
    def command_id(self) -> str:
        actor = self.person.actor if self.person else VISITOR
        return command_id(actor, self.method, self.template, self.key)


@dataclass(frozen=True)
class Reply:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    document: dict[str, Any]

    @property
    def problem(self) -> str:
        """The stable code of a refusal; empty for anything else."""
        return str(self.document.get("type", "")).rsplit("/", 1)[-1] if self.status >= 400 else ""

    @property
    def is_definite(self) -> bool:
        return self.status not in INDEFINITE and self.problem != "conflict"


class Undecided(AssertionError):
    """A command had no definite answer for as long as anyone would wait."""


class Client:
    """One connection, opened anew whenever it breaks."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)

    def send(self, request: Request) -> Reply:
        """One attempt. Raises `OSError` or `HTTPException` if no answer came."""
        headers = {"Idempotency-Key": request.key, "Accept": "application/json"}
        if request.person is not None:
            headers["Authorization"] = f"Bearer {request.person.token}"
        body = None
        if request.body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(request.body)
        try:
            self._connection.request(request.method, request.path, body, headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        return Reply(response.status, dict(response.getheaders()), json.loads(content) if content else {})

    def close(self) -> None:
        self._connection.close()


@dataclass
class Load:
    """Commands of several people, some of them in flight at a time, each driven to its definite answer."""

    base_url: str
    in_flight: int
    random: random.Random
    people: list[Person] = field(default_factory=list)
    requests: dict[str, Request] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    """Answers of all attempts by status and problem, and attempts that had none."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._stopping = threading.Event()

    # --- people

    def admit(self, number: int) -> None:
        """Registers people and signs them in, a few at a time, since passwords are slow on purpose."""
        with ThreadPoolExecutor(4) as pool:
            self.people += pool.map(lambda _: self._admit_one(), range(number))

    def _admit_one(self) -> Person:
        client, registration = Client(self.base_url), making.registration_body()
        sign_in = {name: registration[name] for name in ("email", "password")}
        sign_in |= {"guard": "influencer", "transport": "bearer"}
        account = self.settle(client, Request("POST", "/v1/accounts", "/v1/accounts", _key(), registration))
        session = self.settle(client, Request("POST", "/v1/sessions", "/v1/sessions", _key(), sign_in))
        client.close()
        return Person(account.document["account_id"], session.document["access_token"])

    def dismiss(self) -> None:
        """Signs everybody out. Who is told that there is no session any more was signed out by an earlier attempt."""
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self._dismiss_one, self.people))
        self.people.clear()

    def _dismiss_one(self, person: Person) -> None:
        client = Client(self.base_url)
        reply = self._until_definite(client, Request("DELETE", "/v1/session", "/v1/session", _key(), None, person))
        assert reply.status in (204, 401), reply
        client.close()

    # --- commands

    def run(self, commands: int) -> None:
        """Sends so many commands and returns when every one has its definite answer."""
        with self.running(commands):
            pass

    @contextmanager
    def running(self, commands: int | None = None) -> Iterator[None]:
        """Sends commands, so many or until the block ends, while the block runs. Leaving it waits for all answers."""
        self._stopping.clear()
        with self._lock:
            self._remaining = commands
        with ThreadPoolExecutor(self.in_flight, "load") as pool:
            workers = [pool.submit(self._work) for _ in range(self.in_flight)]
            try:
                yield
            finally:
                if commands is None:
                    self._stopping.set()
        for worker in workers:
            worker.result()

    def wait_for(self, answers: int) -> None:
        """Waits until so many commands of all that were ever sent have their answer."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.answers) >= answers, PATIENCE):
                raise Undecided(f"{len(self.answers)} answers, {answers} wanted; {dict(self.attempts)}")

    def wait_for_more(self, answers: int) -> None:
        self.wait_for(len(self.answers) + answers)

    def _work(self) -> None:
        client = Client(self.base_url)
        try:
            while (request := self._next()) is not None:
                self.settle(client, request)
        finally:
            client.close()

    def _next(self) -> Request | None:
        with self._lock:
            if self._stopping.is_set() or self._remaining == 0:
                return None
            if self._remaining is not None:
                self._remaining -= 1
            return self.command()

    def command(self) -> Request:
        """A command that nobody has sent yet."""
        person = self.random.choice(self.people)
        key = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        if self.random.random() < 0.2:
            return Request("PATCH", "/v1/me", "/v1/me", key, {"name": f"Ada {key}"}, person)
        method = self.random.choice(("PUT", "DELETE"))
        purpose = self.random.choice(PURPOSES)
        return Request(method, f"/v1/me/consents/{purpose}", "/v1/me/consents/{purpose}", key, None, person)

    def settle(self, client: Client, request: Request) -> Reply:
        """Sends a command until it has a definite answer, and keeps that answer."""
        reply = self._until_definite(client, request)
        with self._changed:
            self.requests[request.key] = request
            self.answers[request.key] = Answer(request.command_id, reply.status, reply.document)
            self._changed.notify_all()
        return reply

    def _until_definite(self, client: Client, request: Request) -> Reply:
        pause, deadline = threading.Event(), time.monotonic() + PATIENCE
        while (reply := self.attempt(client, request)) is None or not reply.is_definite:
            if time.monotonic() > deadline:
                raise Undecided(f"{request.method} {request.template} has no answer; {dict(self.attempts)}")
            pause.wait(PAUSE)
        return reply

    def attempt(self, client: Client, request: Request) -> Reply | None:
        """One attempt, counted; None if no answer came."""
        try:
            reply = client.send(request)
        except (OSError, http.client.HTTPException) as error:
            self._count(type(error).__name__)
            return None
        self._count(f"{reply.status} {reply.problem}".strip())
        return reply

    def _count(self, outcome: str) -> None:
        with self._lock:
            self.attempts[outcome] += 1

    # --- what came of it

    @property
    def accepted(self) -> int:
        return sum(answer.accepted for answer in self.answers.values())

    @property
    def refused(self) -> int:
        return len(self.answers) - self.accepted

    @property
    def failures(self) -> int:
        """Answers that say that something failed inside, which no fault may cause."""
        return sum(count for outcome, count in self.attempts.items() if outcome.startswith("500"))

    def ask_again(self, number: int) -> None:
        """Sends some commands of those who are signed in once more: the answer must be the one it was."""
        known = sorted(key for key, request in self.requests.items() if request.person in (None, *self.people))
        keys = self.random.sample(known, min(number, len(known)))
        before = {key: self.answers[key] for key in keys}
        with ThreadPoolExecutor(min(8, self.in_flight)) as pool:
            list(pool.map(self._ask_again, keys))
        differing = {key: (before[key], self.answers[key]) for key in keys if _differ(before[key], self.answers[key])}
        assert not differing, f"asked again, the answer is another one: {differing}"

    def _ask_again(self, key: str) -> None:
        client = Client(self.base_url)
        try:
            self.settle(client, self.requests[key])
        finally:
            client.close()


def _differ(one: Answer, other: Answer) -> bool:
    """Whether two answers tell different outcomes; which request a refusal answered is not part of it."""
    first, second = ({**each.document, "instance": None} for each in (one, other))
    return (one.status, first) != (other.status, second)


def _key() -> str:
    return str(uuid.uuid4())
