"""Playing the services behind a gateway, and the clients before it."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from werkzeug.test import Client as HttpClient
from werkzeug.test import TestResponse

from gateway.access import VISITOR, Caller
from gateway.application import Application
from gateway.cursors import Cursors
from gateway.openapi import example_of
from gateway.routes import ROUTES
from gateway.routes.audit.feeds import EXAMPLE_CURSOR, EXAMPLE_EVENT
from gateway.routing import Route
from gateway.sessions import csrf_token, token_hash
from shared.bus.actors import Actor, Client
from shared.contracts.problems import Problem
from shared.contracts.services import PUBLISHERS

TOKENS = {
    "influencer": "token-of-an-influencer-01",
    "client": "token-of-a-client-0000001",
    "compliance": "token-of-an-officer-00001",
    "staff": "token-of-a-member-0000001",
    "team": "token-of-a-team-000000001",
}
CURSORS = Cursors(bytes(32))
ACCOUNT = "019abf2e-0000-7000-8000-000000000001"
EXPIRES = "2999-01-01T00:00:00.000000Z"


@dataclass(frozen=True)
class Asked:
    """One call that reached a service."""

    name: str
    arguments: dict[str, Any]
    actor: Actor
    command_id: str
    correlation_id: str
    client: Client | None


@dataclass
class Services:
    """Plays the RPC client: answers by name, with the documented example unless the test says otherwise."""

    connected: bool = True
    calls: list[Asked] = field(default_factory=list)
    answers: dict[str, Callable[[dict[str, Any]], Any]] = field(default_factory=dict)
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)

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
    ) -> Any:
        name = f"{service}.{method}"
        json.dumps(arguments)
        self.calls.append(Asked(name, arguments, actor, command_id, correlation_id, client))
        return self.answers[name](arguments)

    def to(self, name: str) -> list[Asked]:
        return [call for call in self.calls if call.name == name]

    def refuse(self, name: str, code: str, **members: Any) -> None:
        def answer(arguments: dict[str, Any]) -> Any:
            raise Problem(code, **members)

        self.answers[name] = answer

    def let_in(self, caller: Caller) -> None:
        """Makes the token of a guard worth what the caller has."""
        if caller.guard != VISITOR:
            session = self.sessions[token_hash(TOKENS[caller.guard])]
            session["stepped_up_until"] = EXPIRES if caller.stepped_up else None
            session["second_factor"] = caller.second_factor
            session["scopes"] = None if caller.scopes is None else sorted(caller.scopes)

    def resolve(self, arguments: dict[str, Any]) -> dict[str, Any]:
        session = self.sessions.get(arguments["token_hash"])
        if session is None:
            raise Problem("not-signed-in")
        return session


def _documented_answer(route: Route, arguments: dict[str, Any]) -> Any:
    if route.answers:
        return example_of(route.answers())
    return {form.member: form.example for form in route.representations}


def services_by_example() -> Services:
    """Services that answer as documented, and know one session per guard."""
    services = Services()
    for route in ROUTES:
        if route.calls:
            services.answers[route.calls] = partial(_documented_answer, route)
    services.answers["identity.resolve_session"] = services.resolve
    services.answers["identity.report_refusal"] = lambda arguments: {"signal_id": arguments["refused"]}
    services.answers["identity.open_session"] = lambda arguments: {
        "session_id": "019abf2e-0000-7000-8000-0000000000aa",
        "account_id": ACCOUNT,
        "guard": arguments["guard"],
        "expires_at": EXPIRES,
        "access_token": TOKENS[arguments["guard"]],
        "stream": "session-1",
        "version": 1,
    }
    for publisher in PUBLISHERS:
        services.answers[f"{publisher}.follow_feed"] = lambda arguments: {
            "entries": [json.dumps(EXAMPLE_EVENT)],
            "position": EXAMPLE_EVENT["feedposition"],
            "next_cursor": EXAMPLE_CURSOR,
            "head": EXAMPLE_EVENT["feedposition"],
        }
    for number, (guard, token) in enumerate(TOKENS.items()):
        services.sessions[token_hash(token)] = {
            "session_id": f"019abf2e-0000-7000-8000-00000000000{number}",
            "account_id": ACCOUNT,
            "guard": guard,
            "expires_at": EXPIRES,
            "stepped_up_until": EXPIRES,
            "second_factor": True,
        }
    return services


class Browser:
    """A client of the gateway. `raw_path` sends a path exactly as given."""

    def __init__(self, application: Application) -> None:
        self._client = HttpClient(application, use_cookies=False)

    def __call__(self, method: str, path: str, *, raw_path: str | None = None, **options: Any) -> TestResponse:
        if raw_path is not None:
            options["environ_overrides"] = {"RAW_PATH_INFO": raw_path, **options.get("environ_overrides", {})}
        return self._client.open(path, method=method, **options)


def bearer(guard: str = "influencer") -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[guard]}"}


def cookie(*guards: str) -> dict[str, str]:
    return {"Cookie": "; ".join(f"okacrm_{guard}={TOKENS[guard]}" for guard in guards)}


def csrf(guard: str = "influencer") -> dict[str, str]:
    return {"X-CSRF-Token": csrf_token(TOKENS[guard])}


def code_of(response: TestResponse) -> str:
    assert response.mimetype == "application/problem+json", response.data
    document = json.loads(response.data)
    assert document["status"] == response.status_code
    return str(document["type"].rsplit("/", 1)[1])


def documented_request(ask: Browser, route: Route, headers: dict[str, str] | None = None) -> TestResponse:
    """The request that the documentation shows for a route, in a session that may make it unless `headers` differ."""
    path = route.template
    for name, parameter in route.parameters.items():
        path = path.replace(f"{{{name}}}", str(parameter.metadata["example"]))
    query = example_of(route.query())
    query.pop("cursor", None)  # nobody was given the one of the example
    if query and "limit" not in query:
        query = {name: value for name, value in query.items() if value is not None}
    body: dict[str, Any] = {}
    if route.body is not None:
        body = {"data" if route.as_form else "json": example_of(route.body(), for_request=True)}
    if route.upload is not None:
        body = {"data": b64decode(route.upload.example), "content_type": route.upload.media_types[0]}
    if headers is None:
        guard = next((guard for guard in TOKENS if guard in route.guards), None)
        headers = bearer(guard) if guard else {}
    return ask(route.method, path, query_string=query, headers=headers, **body)
