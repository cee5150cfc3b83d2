"""Who asks: from a cookie or a bearer token to the session it stands for.

The identity service decides what a token is worth. Its word is kept for less than a second, counted from before it was
asked, so that a session that was revoked is refused within a second.
"""

from __future__ import annotations

import hmac
import re
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol

from gateway.cookies import Cookies
from gateway.perimeter import Perimeter
from gateway.request import Request
from gateway.routing import Route
from shared.bus.actors import VISITOR, Actor, Client
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import GUARDS

KEPT_SECONDS = 0.8
MOST_KEPT = 20_000
GUARD_HEADER = "Okacrm-Guard"
CSRF_HEADER = "X-CSRF-Token"
LONGEST_USER_AGENT = 512

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,512}", re.ASCII)


class Rpc(Protocol):
    """The part of `shared.bus.rpc.RpcClient` that the gateway needs."""

    @property
    def connected(self) -> bool: ...

    def call(
        self,
        service: str,
        method: str,
        arguments: dict[str, Any],
        *,
        actor: Actor,
        correlation_id: str,
        command_id: str = "",
        client: Client | None = None,
    ) -> Any: ...


@dataclass(frozen=True)
class Session:
    """A session that the identity service vouched for, and how its token came here.

    An API token opens one as well, which has `scopes`; those of a person who signed in have none. So does the service
    token of an internal team, which acts under the name of the team as its account.
    """

    id: str
    account_id: str
    guard: str
    expires_at: str
    token: str = field(repr=False)
    by_cookie: bool
    stepped_up_until: str | None = None
    second_factor: bool = False
    scopes: frozenset[str] | None = None

    @property
    def actor(self) -> Actor:
        return Actor(self.guard, self.account_id, self.id)


Refused = Callable[[Session, Route, Request, Problem], None]


class Sessions:
    """Opens the session of a request."""

    def __init__(self, rpc: Rpc, cookies: Cookies, perimeter: Perimeter, refused: Refused) -> None:
        """`refused` is told of every session that may not do what was asked."""
        self._cookies = cookies
        self._perimeter = perimeter
        self._refused = refused
        self._known = _KnownTokens(rpc)

    def open(self, request: Request, route: Route) -> Session:
        """The session that the request is made in. Raises a `Problem` unless there is one that may do this."""
        session = self._presented(request, route.guards)
        try:
            self._check_may(request, session, route)
        except Problem as refusal:
            self._refused(session, route, request, refusal)
            raise
        return session

    def open_if_any(self, request: Request, route: Route) -> Session | None:
        """The session that a request is made in which needs none; an API token opens none here.

        Raises `csrf-failed` for a change that comes from a page of others, in a session or not.
        """
        try:
            session = self._presented(request, route.sessions)
        except Problem as problem:
            if problem.code != "not-signed-in":
                raise
            session = None
        if session is None or session.scopes is not None:
            if not request.is_safe:
                self._check_origin(request)
            return None
        try:
            self._check_change(request, session)
        except Problem as refusal:
            self._refused(session, route, request, refusal)
            raise
        return session

    def hide(self, request: Request, session: Session, route: Route, refusal: Problem) -> Problem:
        """What a person is told whose refusal by a service must not tell that there is such a thing.

        A service says `foreign-organisation`, the person hears what an id that does not exist is answered with. It is
        noted at the side, so that the answer takes no longer either.
        """
        if refusal.code != "foreign-organisation":
            return refusal
        self._refused(session, route, request, refusal)
        return Problem("not-found")

    def held_token(self, request: Request, guard: str) -> str:
        """The hash of the token in the cookie of a guard, whatever it is worth; empty without one."""
        token = self._cookies.read(request.header("HTTP_COOKIE") or "").get(guard, "")
        return token_hash(token) if token else ""

    def _presented(self, request: Request, guards: frozenset[str]) -> Session:
        named = request.header("HTTP_OKACRM_GUARD")
        if named is not None and named not in GUARDS:
            raise Problem("malformed-request")
        authorization = request.header("HTTP_AUTHORIZATION")
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() != "bearer":
                raise Problem("not-signed-in")
            session = self._resolve(request, token.strip(), by_cookie=False)
        else:
            guard, token = self._chosen_cookie(request, guards, named)
            session = self._resolve(request, token, by_cookie=True)
            if session.guard != guard or session.scopes is not None:
                raise Problem("not-signed-in")
        return session

    def check_proofs(self, request: Request, session: Session, route: Route) -> None:
        """Raises `second-factor-missing` or `step-up-required` if the session's user has not shown what this takes.

        Before that, the identity service is asked again: the proof may have been given through another gateway.
        """
        if _missing_proof(session, route):
            self.forget(session)
            again = self._resolve(request, session.token, by_cookie=session.by_cookie)
            if missing := _missing_proof(again, route):
                raise Problem(missing)

    def _check_may(self, request: Request, session: Session, route: Route) -> None:
        if session.guard not in route.guards:
            raise Problem("wrong-guard")
        if session.scopes is not None and route.scope not in session.scopes:
            raise Problem("scope-missing")
        self._check_change(request, session)

    def _check_change(self, request: Request, session: Session) -> None:
        if session.by_cookie and not request.is_safe:
            self._check_origin(request)
            _check_csrf(request, session)

    def _check_origin(self, request: Request) -> None:
        """What browsers say about where a change comes from; other clients say nothing.

        Browsers send an Origin with every change. Where one does not, what it says of the site has to do.
        """
        origin = request.header("HTTP_ORIGIN")
        if origin is not None:
            if not self._perimeter.welcomes(origin, request.provenance):
                raise Problem("csrf-failed")
        elif request.header("HTTP_SEC_FETCH_SITE") not in (None, "same-origin", "none"):
            raise Problem("csrf-failed")

    def forget(self, session: Session) -> None:
        """After a change of the session: the next use of the token asks the identity service again."""
        self._known.forget(token_hash(session.token))

    def _chosen_cookie(self, request: Request, guards: frozenset[str], named: str | None) -> tuple[str, str]:
        tokens = self._cookies.read(request.header("HTTP_COOKIE") or "")
        if named is not None:
            tokens = {guard: token for guard, token in tokens.items() if guard == named}
        if not tokens:
            raise Problem("not-signed-in")
        # With no cookie of an allowed guard, any other one tells whether this is the wrong guard or no session at all.
        suitable = [(guard, token) for guard, token in tokens.items() if guard in guards] or list(tokens.items())[:1]
        if len(suitable) > 1:
            raise Problem("guard-ambiguous")
        return suitable[0]

    def _resolve(self, request: Request, token: str, *, by_cookie: bool) -> Session:
        if not _TOKEN.fullmatch(token):
            raise Problem("not-signed-in")
        known = self._known.resolve(token_hash(token), request)
        scopes = known.get("scopes")
        return Session(
            id=known["session_id"],
            account_id=known["account_id"],
            guard=known["guard"],
            expires_at=known["expires_at"],
            token=token,
            by_cookie=by_cookie,
            stepped_up_until=known.get("stepped_up_until"),
            second_factor=known.get("second_factor", False),
            scopes=None if scopes is None else frozenset(scopes),
        )


class _KnownTokens:
    """What identity said about tokens, for a moment. Requests that ask at the same time share one question."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self._lock = threading.Lock()
        self._answers: dict[str, _Answer] = {}
        """Oldest first, since all are kept for the same time."""

    def resolve(self, hash: str, request: Request) -> Mapping[str, Any]:
        now = time.monotonic()
        with self._lock:
            answer = self._answers.get(hash)
            asking = answer is None or now >= answer.asked_at + KEPT_SECONDS
            if asking:
                self._make_room(hash)
                answer = self._answers[hash] = _Answer(now)
        assert answer is not None
        if asking:
            self._ask(hash, answer, request)
        known: Mapping[str, Any] = answer.future.result()
        if not _is_ahead(known["expires_at"]):
            raise Problem("not-signed-in")
        return known

    def forget(self, hash: str) -> None:
        with self._lock:
            self._answers.pop(hash, None)

    def _make_room(self, hash: str) -> None:
        self._answers.pop(hash, None)
        if len(self._answers) >= MOST_KEPT:
            del self._answers[next(iter(self._answers))]

    def _ask(self, hash: str, answer: _Answer, request: Request) -> None:
        try:
            answer.future.set_result(
                self._rpc.call(
                    "identity",
                    "resolve_session",
                    {"token_hash": hash},
                    actor=VISITOR,
                    correlation_id=request.id,
                    client=client_of(request),
                )
            )
        except BaseException as error:  # noqa: BLE001 - whoever waits for this answer must not wait for ever
            with self._lock:
                if self._answers.get(hash) is answer:
                    del self._answers[hash]
            answer.future.set_exception(_nothing_done(error))


@dataclass(frozen=True)
class _Answer:
    asked_at: float
    future: Future[Mapping[str, Any]] = field(default_factory=Future)


def _nothing_done(error: BaseException) -> BaseException:
    """Without a session nothing was begun: an answer that did not come leaves no outcome in doubt."""
    if isinstance(error, Problem) and error.code == "outcome-unknown":
        return Problem("service-unavailable")
    return error


def _missing_proof(session: Session, route: Route) -> str | None:
    """The problem of a session whose user has not shown what a route asks for."""
    if route.needs_second_factor(session.guard) and not session.second_factor:
        return "second-factor-missing"
    if route.step_up and not _is_ahead(session.stepped_up_until):
        return "step-up-required"
    return None


def _is_ahead(moment: str | None) -> bool:
    return moment is not None and datetime.fromisoformat(moment).timestamp() > time.time()


def client_of(request: Request, held_token: str = "", visitor_token: str = "") -> Client:
    """The client that a request comes from, for a service that is told."""
    return Client(
        request.client_address,
        (request.header("HTTP_USER_AGENT") or "")[:LONGEST_USER_AGENT],
        held_token,
        visitor_token,
        objects=request.header("HTTP_SEC_GPC") == "1",
    )


def token_hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def csrf_token(token: str) -> str:
    """Proof that a page could read an answer of ours: derived from the session's token, which no page can read."""
    return urlsafe_b64encode(hmac.digest(token.encode(), b"csrf", "sha256")).decode().rstrip("=")


def _check_csrf(request: Request, session: Session) -> None:
    given = request.header("HTTP_X_CSRF_TOKEN") or ""
    if not given.isascii() or not hmac.compare_digest(given, csrf_token(session.token)):
        raise Problem("csrf-failed")
