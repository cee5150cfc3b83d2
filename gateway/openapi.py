"""The route tables as an OpenAPI 3.1 document."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema, fields

from gateway.cookies import Cookies
from gateway.idempotency import HEADER as IDEMPOTENCY_KEY
from gateway.problems import RETRY_AFTER, problem_type
from gateway.request import FORMS
from gateway.response import PROBLEM_JSON
from gateway.routing import Representation, Route
from gateway.schemas import EXAMPLE_ID
from gateway.sessions import CSRF_HEADER, GUARD_HEADER
from shared.contracts.problems import PROBLEMS
from shared.contracts.vocabulary import GUARDS, PASSWORD_WEAKNESSES

DESCRIPTION = """\
Okacrm is a CRM for influencers and their clients. This is its whole HTTP interface.

Ids are UUIDs sent as strings, times are RFC 3339 in UTC. Every refusal is a problem document (RFC 9457) whose `type` is
stable. Every answer carries an `X-Request-Id`; quote it when you report something. Ignore members of answers that you
do not know: more may come.
"""

TAGS = {
    "Accounts": "Becoming a user, and finding back in.",
    "Sessions": "Signing in and out, in one of four capacities called guards.",
    "API tokens": "Programs that act for a person, within scopes and for a time.",
    "Profile": "What the platform knows about the person who asks.",
    "Second factor": "Signing in with an authenticator as well.",
    "Consents": "What a person agrees to beyond what the service itself needs.",
    "Cookies": "What may be kept in a browser beyond what the service itself needs.",
    "Inquiries": "Writing to us, with or without an account, and reading what we answer.",
    "Notices": "What a person is told by mail, and what they want to be told.",
    "Policies": "What the house tells people that it does, in versions, and what they know of that.",
    "Workspaces": "Organisations of influencers: their people, and the clients they deal with.",
    "Client organisations": "Organisations of clients: their people, and the workspaces they deal with.",
    "Invitations": "What somebody was invited to by mail.",
    "Staff": "For staff, and partly for compliance: the accounts of others, and what everybody is told.",
    "Inquiry desk": "For staff and compliance: what people write in about, and notes for the house alone.",
    "Security": "For staff and compliance: what may be an attack.",
    "Audit": "For compliance: what happened, to whom, and the proof of it.",
    "Feeds": "For programs of internal teams: what services publish, without a broker.",
    "Disclosures": "To whom personal data goes: the register of recipients, and whose data went to which of them.",
    "Audit exports": "For compliance: many records as a file, or as evidence for somebody outside.",
    "Log": "For everybody: the public face of the audit log.",
}

_PARAMETERS: dict[str, dict[str, Any]] = {
    IDEMPOTENCY_KEY: {
        "in": "header",
        "description": (
            "A random key of the client's own, 16 to 255 visible ASCII characters. The same request with the same key "
            "has one effect and one answer. Absent, one is made up; the answer tells it either way."
        ),
        "schema": {"type": "string", "minLength": 16, "maxLength": 255, "pattern": "^[!-~]+$"},
        "example": "5f0c1a0e-2f0b-4d0e-9a57-3f0c6c1f6a55",
    },
    CSRF_HEADER: {
        "in": "header",
        "description": "The session's `csrf_token`. Required when the session is presented in a cookie.",
        "schema": {"type": "string"},
        "example": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
    },
    GUARD_HEADER: {
        "in": "header",
        "description": "Which session is meant, when cookies of several guards are sent.",
        "schema": {"type": "string", "enum": list(GUARDS)},
        "example": "influencer",
    },
}

_RATE_LIMIT_HEADERS = {
    "RateLimit-Policy": ("The quota `q` for `w` seconds, of the session or of the network.", '"session";q=1200;w=60'),
    "RateLimit": ("`r` requests are left; in `t` seconds the whole quota is there again.", '"session";r=1187;t=1'),
}

_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "Problem details (RFC 9457). Some problems have further members.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri", "enum": [problem_type(code) for code in PROBLEMS]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do about it."},
        "instance": {"type": "string", "format": "uri", "description": "Names this very request."},
        "replayed": {
            "type": "boolean",
            "description": "With `second-factor-refused`: whether the code counted before, and does not count again.",
        },
        "score": {
            "type": "integer",
            "minimum": 0,
            "maximum": 4,
            "description": "With `password-too-weak`: how strong the password is; 3 is strong enough.",
        },
        "weaknesses": {
            "type": "array",
            "description": "With `password-too-weak`: of what the password is made that is guessed first.",
            "items": {"type": "string", "enum": list(PASSWORD_WEAKNESSES)},
        },
        "errors": {
            "type": "array",
            "description": "With `validation-failed`: what was refused and why, never the value itself.",
            "items": {
                "type": "object",
                "required": ["message"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON Pointer (RFC 6901) into the body."},
                    "query": {"type": "string", "description": "Name of a query parameter."},
                    "message": {"type": "string"},
                    "position": {"type": "integer", "description": "In a query: the character at fault, from 0."},
                    "length": {"type": "integer", "description": "In a query: how many characters are at fault."},
                },
            },
        },
    },
}


def openapi_document(routes: Iterable[Route], cookies: Cookies) -> dict[str, Any]:
    """The document that describes these routes to people and to tools."""
    return _Document(cookies).of(routes)


class _Document:
    def __init__(self, cookies: Cookies) -> None:
        self._plugin = MarshmallowPlugin()
        self._spec = APISpec(
            title="Okacrm",
            version="1",
            openapi_version="3.1.0",
            plugins=[self._plugin],
            info={"description": DESCRIPTION},
            servers=[{"url": "/", "description": "Where this document came from."}],
            tags=[{"name": name, "description": description} for name, description in TAGS.items()],
        )
        self._declare_components(cookies)

    def of(self, routes: Iterable[Route]) -> dict[str, Any]:
        for route in routes:
            self._spec.path(path=route.template, operations={route.method.lower(): self._operation(route)})
        document = self._spec.to_dict()
        _say_once(document)
        return document

    def _declare_components(self, cookies: Cookies) -> None:
        components = self._spec.components
        components.schema("Problem", _PROBLEM_SCHEMA)
        for name, parameter in _PARAMETERS.items():
            components.parameter(name, "header", {"name": name, **parameter})
        for guard, name in cookies.names.items():
            scheme = {"type": "apiKey", "in": "cookie", "name": name, "description": f"A session as {guard}."}
            components.security_scheme(f"{guard}_cookie", scheme)
        components.security_scheme(
            "bearer",
            {
                "type": "http",
                "scheme": "bearer",
                "description": (
                    "A session opened for the transport `bearer`; or an API token, where the operation names the scope "
                    "that it must have; or a service token of an internal team, for the feeds that it names."
                ),
            },
        )
        for code in PROBLEMS:
            components.example(code, {"summary": PROBLEMS[code].title, "value": problem_example(code)})
        components.header(
            "X-Request-Id",
            {"description": "Names the request in our logs.", "schema": {"type": "string"}, "example": EXAMPLE_ID},
        )
        for name, (description, example) in _RATE_LIMIT_HEADERS.items():
            components.header(name, {"description": description, "schema": {"type": "string"}, "example": example})
        components.header(
            IDEMPOTENCY_KEY,
            {"description": "The key that counts for this request.", "schema": {"type": "string"}},
        )

    def _operation(self, route: Route) -> dict[str, Any]:
        operation: dict[str, Any] = {
            "operationId": route.operation_id,
            "summary": route.summary,
            "tags": [route.tag],
            "security": _security(route),
            "parameters": self._parameters(route),
            "responses": self._responses(route),
        }
        if description := _description(route):
            operation["description"] = description
        if route.body is not None:
            media = {"schema": route.body, "example": example_of(route.body(), for_request=True)}
            media_types = FORMS if route.as_form else ("application/json",)
            operation["requestBody"] = {"required": True, "content": dict.fromkeys(media_types, media)}
        if route.upload is not None:
            operation["requestBody"] = {
                "required": True,
                "content": {
                    media_type: {"schema": {"type": "string", "contentMediaType": media_type}}
                    for media_type in route.upload.media_types
                },
            }
        return operation

    def _parameters(self, route: Route) -> list[Any]:
        parameters: list[Any] = [self._parameter("path", name, field) for name, field in route.parameters.items()]
        parameters += [
            self._parameter("query", field.data_key or name, field) for name, field in route.query().fields.items()
        ]
        if route.is_command:
            parameters.append(IDEMPOTENCY_KEY)
            if route.sessions:
                parameters.append(CSRF_HEADER)
        if len(route.sessions) > 1:
            parameters.append(GUARD_HEADER)
        return parameters

    def _parameter(self, place: str, name: str, field: fields.Field[Any]) -> dict[str, Any]:
        assert self._plugin.converter is not None
        schema = self._plugin.converter.field2property(field)
        if schema.get("default", ...) is None:
            del schema["default"]
        if isinstance(schema.get("type"), list):  # absent, not null, is how a parameter is left out
            schema["type"] = schema["type"][0]
        return {
            "in": place,
            "name": name,
            "required": field.required,
            "description": schema.pop("description"),
            "example": schema.pop("example"),
            "schema": schema,
        }

    def _responses(self, route: Route) -> dict[str, Any]:
        headers = {name: name for name in ("X-Request-Id", *_RATE_LIMIT_HEADERS)}
        if route.is_command:
            headers[IDEMPOTENCY_KEY] = IDEMPOTENCY_KEY
        success: dict[str, Any] = {"description": HTTPStatus(route.status).phrase, "headers": headers}
        if route.status != HTTPStatus.NO_CONTENT:
            success["content"] = {form.media_type: _media(route, form) for form in route.representations}
        responses: dict[str, Any] = {str(route.status): success}
        for status, codes in _by_status(route.all_problems).items():
            responses[str(status)] = {
                "description": "; ".join(f"`{code}`: {PROBLEMS[code].title}" for code in codes),
                "headers": {**headers, **_problem_headers(codes)},
                "content": {PROBLEM_JSON: {"schema": "Problem", "examples": {code: code for code in codes}}},
            }
        return responses


def _say_once(document: dict[str, Any]) -> None:
    """Makes a component of every parameter and every response that several operations describe in the same words."""
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    parameters = [(part["name"], part) for each in operations for part in each["parameters"] if "name" in part]
    responses = [(status, part) for each in operations for status, part in each["responses"].items()]
    referred = _components_of(document["components"], "parameters", parameters)
    referred |= _components_of(document["components"], "responses", responses)
    for operation in operations:
        operation["parameters"] = [referred.get(_written(part), part) for part in operation["parameters"]]
        operation["responses"] = {
            status: referred.get(_written(part), part) for status, part in operation["responses"].items()
        }


def _components_of(
    components: dict[str, Any], kind: str, parts: Iterable[tuple[str, dict[str, Any]]]
) -> dict[str, dict[str, str]]:
    """References to the parts that occur more than once, by how they are written. They are numbered under a name."""
    named = [(name, _written(part)) for name, part in parts]
    uses, numbers = Counter(written for _, written in named), Counter[str]()
    referred: dict[str, dict[str, str]] = {}
    for name, written in named:
        if uses[written] > 1 and written not in referred:
            numbers[name] += 1
            component = f"{name}-{numbers[name]}"
            components.setdefault(kind, {})[component] = json.loads(written)
            referred[written] = {"$ref": f"#/components/{kind}/{component}"}
    return referred


def _written(part: dict[str, Any]) -> str:
    return json.dumps(part)


def problem_example(code: str) -> dict[str, Any]:
    kind = PROBLEMS[code]
    example: dict[str, Any] = {
        "type": problem_type(code),
        "title": kind.title,
        "status": kind.status,
        "detail": kind.advice,
        "instance": f"tag:okacrm.net,2026:request/{EXAMPLE_ID}",
    }
    if code == "validation-failed":
        example["errors"] = [{"pointer": "/email", "message": "Not a valid email address."}]
    if code == "password-too-weak":
        example |= {"score": 1, "weaknesses": ["common_word", "about_yourself"]}
    return example


def example_of(schema: Schema, *, for_request: bool = False) -> dict[str, Any]:
    """A value that the schema accepts, put together from the examples of its fields."""
    return {
        field.data_key or name: _example_of_field(field)
        for name, field in schema.fields.items()
        if not (for_request and field.load_default is None)
    }


def _example_of_field(field: fields.Field[Any]) -> Any:
    if isinstance(field, fields.Nested):
        return example_of(field.schema)
    if isinstance(field, fields.List):
        return [_example_of_field(field.inner)]
    return field.metadata["example"]


def _description(route: Route) -> str:
    parts = [route.description] if route.description else []
    if route.upload is not None:
        parts.append(f"The body is the file itself, of at most {route.upload.largest // 1024} KiB.")
    if route.step_up:
        parts.append("Needs a session that was stepped up in the last ten minutes: `POST /v1/session/step-up`.")
    return "\n\n".join(parts)


def _media(route: Route, form: Representation) -> dict[str, Any]:
    if form.base64:
        return {"schema": {"type": "string", "contentMediaType": form.media_type}, "example": form.example}
    if form.member is not None:
        return {"schema": {"type": "string"}, "example": form.example}
    assert route.answers is not None
    return {"schema": route.answers(), "example": example_of(route.answers())}


def _security(route: Route) -> list[dict[str, list[str]]]:
    if not route.sessions:
        return []
    schemes: list[dict[str, list[str]]] = [] if route.guards else [{}]
    schemes.append({"bearer": [route.scope] if route.scope else []})
    return schemes + [{f"{guard}_cookie": []} for guard in GUARDS if guard in route.sessions]


def _by_status(codes: Iterable[str]) -> Mapping[int, list[str]]:
    statuses: dict[int, list[str]] = {}
    for code in codes:
        statuses.setdefault(PROBLEMS[code].status, []).append(code)
    return dict(sorted(statuses.items()))


def _problem_headers(codes: Iterable[str]) -> dict[str, Any]:
    if RETRY_AFTER.keys().isdisjoint(codes):
        return {}
    return {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}, "example": 1}}
