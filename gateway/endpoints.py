"""Routes made ready to answer: validators, representations and the call behind each, prepared once."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from marshmallow import Schema, ValidationError, fields
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from gateway import idempotency
from gateway.cookies import VISITOR_COOKIE, Cookies, session_cookie
from gateway.cursors import Cursors, question_of
from gateway.limits import Limits
from gateway.problems import body_errors, query_errors
from gateway.request import Request
from gateway.response import Response, json_response
from gateway.routes.identity.sessions import COOKIE
from gateway.routing import Representation, Route, SessionStep
from gateway.schemas import Nothing
from gateway.sessions import Rpc, Session, Sessions, client_of, csrf_token
from shared.bus.actors import VISITOR
from shared.contracts.problems import Problem

Keep = Callable[[Any], Any]


class Endpoint:
    """Answers one route: who asks, what exactly is asked, one call, and what of the answer is sent."""

    def __init__(self, route: Route, rpc: Rpc, sessions: Sessions, cookies: Cookies, limits: Limits) -> None:
        self.route = route
        self.method, self.path = route.method, route.path
        self._rpc, self._sessions, self._cookies, self._limits = rpc, sessions, cookies, limits
        self._service, _, self._operation = route.calls.partition(".")
        self._query = route.query()
        self._body = (route.body or Nothing)()
        self._no_query = load(self._query, {})
        self._media_types = tuple(form.media_type.partition(";")[0] for form in route.representations)
        self._keep = kept_by(route.answers()) if route.answers else _everything

    def respond(self, request: Request, values: Mapping[str, str]) -> Response:
        """The answer to a request that was matched to this route. Raises a `Problem` otherwise."""
        route = self.route
        if route.is_command:
            request.idempotency_key = idempotency.key_of(request.header("HTTP_IDEMPOTENCY_KEY"))
        form = self._representation(request)
        session = self._session(request)
        self._charge(request, session)
        if session is not None:
            self._sessions.check_proofs(request, session, route)
        arguments = self._arguments(request, values)
        response = self._carry_out(request, session, arguments, form)
        response.cache = route.cache
        return response

    def _session(self, request: Request) -> Session | None:
        return self._sessions.open(request, self.route) if self.route.guards else None

    def _charge(self, request: Request, session: Session | None) -> None:
        if session is None:
            request.standing = self._limits.charge_network(request.client_address)
        else:
            request.standing = self._limits.charge_session(session.id)

    def _carry_out(
        self, request: Request, session: Session | None, arguments: dict[str, Any], form: Representation
    ) -> Response:
        return self._represented(self._call(request, session, arguments), form)

    def _call(
        self, request: Request, session: Session | None, arguments: dict[str, Any], *, held_token: str = ""
    ) -> Any:
        actor = session.actor if session else VISITOR
        command_id = ""
        if self.route.is_command:
            command_id = idempotency.command_id(actor, self.method, self.path, request.idempotency_key)
        client = client_of(request, held_token, self._visitor_token(request)) if self.route.tells_client else None
        try:
            return self._rpc.call(
                self._service,
                self._operation,
                arguments,
                actor=actor,
                correlation_id=request.id,
                command_id=command_id,
                client=client,
            )
        except Problem as refusal:
            if session is None:
                raise
            raise self._sessions.hide(request, session, self.route, refusal) from None

    def _visitor_token(self, request: Request) -> str:
        return self._cookies.read_visitor(request.header("HTTP_COOKIE") or "")

    def _represented(self, answer: Any, form: Representation) -> Response:
        if form.member is not None:
            member: str = answer[form.member]
            body = b64decode(member) if form.base64 else member.encode()
            return Response(self.route.status, body, form.media_type)
        return json_response(self.route.status, self._keep(answer))

    def _representation(self, request: Request) -> Representation:
        accept = request.header("HTTP_ACCEPT")
        if accept is None or accept == "*/*":
            return self.route.representations[0]
        index = _preferred(self._media_types, accept)
        if index is None:
            raise Problem("not-acceptable")
        return self.route.representations[index]

    def _arguments(self, request: Request, values: Mapping[str, str]) -> dict[str, Any]:
        arguments = dict(self._path_argument(name, value) for name, value in values.items())
        arguments.update(self._query_values(request))
        if self.route.upload is not None:
            upload = self.route.upload
            arguments[upload.argument] = b64encode(request.file(upload.media_types, upload.largest)).decode()
        elif self.route.is_command:
            if self.route.body is not None or request.has_body:
                arguments.update(self._body_values(request))
        elif request.has_body:
            raise Problem("malformed-request")
        return arguments

    def _path_argument(self, name: str, value: str) -> tuple[str, Any]:
        parameter = self.route.parameters[name]
        try:
            return parameter.attribute or name, parameter.deserialize(value)
        except ValidationError:
            raise Problem("not-found") from None

    def _query_values(self, request: Request) -> dict[str, Any]:
        parameters = request.query()
        loaded = load(self._query, parameters) if parameters else self._no_query
        if isinstance(loaded, Refusal):
            raise Problem("validation-failed", errors=query_errors(loaded.messages))
        return loaded

    def _body_values(self, request: Request) -> dict[str, Any]:
        loaded = load(self._body, request.form() if self.route.as_form else request.json_object())
        if isinstance(loaded, Refusal):
            raise Problem("validation-failed", errors=body_errors(loaded.messages))
        return loaded


class Listing(Endpoint):
    """Answers with a page of a list. Its service sees no cursor but those that it gave out itself."""

    def __init__(self, *arguments: Any, cursors: Cursors) -> None:
        super().__init__(*arguments)
        self._cursors = cursors

    def _carry_out(
        self, request: Request, session: Session | None, arguments: dict[str, Any], form: Representation
    ) -> Response:
        question = question_of(self.route.template, arguments, session.actor if session else VISITOR)
        if arguments["cursor"] is not None:
            arguments["cursor"] = self._cursors.open(arguments["cursor"], question)
        page = self._call(request, session, arguments)
        if page["next_cursor"] is not None:
            page = {**page, "next_cursor": self._cursors.seal(page["next_cursor"], question)}
        return self._represented(page, form)


class HandingOver(Endpoint):
    """Hands over the token of a session: in a cookie that no page can read, or to a client that asked for it."""

    def _hand_over(self, opened: Mapping[str, Any], form: Representation, *, by_cookie: bool) -> Response:
        token = opened["access_token"]
        told = {**opened, "csrf_token": csrf_token(token)}
        if by_cookie:
            del told["access_token"]
        response = self._represented(told, form)
        if by_cookie:
            response.headers.append(self._cookies.keep(session_cookie(opened["guard"]), token, opened["expires_at"]))
        return response


class SignIn(HandingOver):
    """Opens a session."""

    def _carry_out(
        self, request: Request, session: Session | None, arguments: dict[str, Any], form: Representation
    ) -> Response:
        transport = arguments.pop("transport")
        held_token = self._sessions.held_token(request, arguments["guard"]) if transport == COOKIE else ""
        opened = self._call(request, session, arguments, held_token=held_token)
        return self._hand_over(opened, form, by_cookie=transport == COOKIE)


class Renewal(HandingOver):
    """Does something after which the session has another token, and the one that was presented is worth nothing."""

    def _carry_out(
        self, request: Request, session: Session | None, arguments: dict[str, Any], form: Representation
    ) -> Response:
        assert session is not None
        renewed = {**_shown(session), **self._call(request, session, arguments)}
        self._sessions.forget(session)
        return self._hand_over(renewed, form, by_cookie=session.by_cookie)


class ShowSession(Endpoint):
    """Tells a page that was loaded again what it needs to go on."""

    def _carry_out(
        self, request: Request, session: Session | None, arguments: dict[str, Any], form: Representation
    ) -> Response:
        assert session is not None
        return self._represented({**_shown(session), "csrf_token": csrf_token(session.token)}, form)


class SignOut(Endpoint):
    """Ends a session everywhere, here first."""

    def _carry_out(
        self, request: Request, session: Session | None, arguments: dict[str, Any], form: Representation
    ) -> Response:
        assert session is not None
        try:
            self._call(request, session, arguments)
        finally:
            self._sessions.forget(session)
        headers = [self._cookies.drop(session_cookie(session.guard))] if session.by_cookie else []
        return Response(self.route.status, headers=headers)


class SignUp(Endpoint):
    """Makes an account, in which a visitor goes on and ends."""

    def _carry_out(
        self, request: Request, session: Session | None, arguments: dict[str, Any], form: Representation
    ) -> Response:
        response = super()._carry_out(request, session, arguments, form)
        if self._visitor_token(request):
            response.headers.append(self._cookies.drop(VISITOR_COOKIE))
        return response


class CookieChoice(Endpoint):
    """Shows and changes what is chosen about cookies: for a person in their session, and else for a visitor."""

    def _session(self, request: Request) -> Session | None:
        return self._sessions.open_if_any(request, self.route)

    def _charge(self, request: Request, session: Session | None) -> None:
        super()._charge(request, session)
        if session is None and self.route.is_command:
            request.standing = self._limits.charge_choice(request.client_address)

    def _carry_out(
        self, request: Request, session: Session | None, arguments: dict[str, Any], form: Representation
    ) -> Response:
        chosen = self._call(request, session, arguments)
        declared = [vars(cookie) for cookie in self._cookies.declared()]
        response = self._represented({**chosen, "cookies": declared}, form)
        if "visitor_token" in chosen:
            response.headers.append(
                self._cookies.keep(VISITOR_COOKIE, chosen["visitor_token"], chosen["remembered_until"])
            )
        return response


ENDPOINT_OF_STEP: dict[SessionStep, type[Endpoint]] = {
    SessionStep.NONE: Endpoint,
    SessionStep.OPENS: SignIn,
    SessionStep.RENEWS: Renewal,
    SessionStep.SHOWS: ShowSession,
    SessionStep.CLOSES: SignOut,
    SessionStep.REGISTERS: SignUp,
    SessionStep.OPTIONAL: CookieChoice,
}


def _shown(session: Session) -> dict[str, str]:
    """What a person may know of their session without asking the identity service."""
    return {
        "session_id": session.id,
        "account_id": session.account_id,
        "guard": session.guard,
        "expires_at": session.expires_at,
    }


def kept_by(schema: Schema) -> Keep:
    """A function that keeps of an answer what the schema declares, and nothing else."""
    keepers = [(field.data_key or name, _kept_by_field(field)) for name, field in schema.fields.items()]

    def keep(answer: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: answer[name] if keeper is None else keeper(answer[name]) for name, keeper in keepers if name in answer
        }

    return keep


def _kept_by_field(field: fields.Field[Any]) -> Keep | None:
    if isinstance(field, fields.Nested):
        keep_member = kept_by(field.schema)
        return (lambda member: member and keep_member(member)) if field.allow_none else keep_member
    if isinstance(field, fields.List) and (keep := _kept_by_field(field.inner)):
        return lambda items: [keep(item) for item in items]
    return None


def _everything(answer: Any) -> Any:
    return answer


@dataclass(frozen=True)
class Refusal:
    """What marshmallow has to say about values it does not accept."""

    messages: dict[str, Any]


def load(schema: Schema, values: Mapping[str, Any]) -> dict[str, Any] | Refusal:
    """The values as they travel in a call, or why they do not."""
    try:
        loaded: dict[str, Any] = schema.load(values)
    except ValidationError as error:
        return Refusal(cast("dict[str, Any]", error.messages))
    return loaded


@lru_cache(maxsize=512)
def _preferred(offered: Sequence[str], accept: str) -> int | None:
    """Which of the offered media types an Accept header asks for, if any."""
    best = parse_accept_header(accept, MIMEAccept).best_match(offered)
    return None if best is None else offered.index(best)
