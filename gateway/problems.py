"""Refusals as HTTP sends them: RFC 9457 problem details with a stable `type`, and never a submitted value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.response import PROBLEM_JSON, Response, json_response
from shared.contracts.problems import PROBLEMS, Problem

TYPE_BASE = "https://okacrm.net/problems/"
RETRY_AFTER = {
    "service-unavailable": 1,
    "outcome-unknown": 1,
    "not-yet-published": 1,
    "asked-too-soon": 120,
    "too-many-attempts": 1,
    "too-many-invitations": 3600,
    "rate-limited": 1,
    "too-many-readers": 5,
    "key-unknown": 3600,
}
"""Seconds after which asking again may help: what is away comes back by itself, a missing key is brought by people.

A problem that knows better says so in its member `retry_after`.
"""
LARGEST_NUMBER_OF_ERRORS = 20

_OWN_MEMBERS = frozenset({"type", "title", "status", "detail", "instance"})
_HARMLESS_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}", re.ASCII)


def problem_type(code: str) -> str:
    return TYPE_BASE + code


def problem_response(problem: Problem, request_id: str) -> Response:
    """The problem as a document. A code that is not in the vocabulary is a fault of ours."""
    code, members = (problem.code, problem.members) if problem.code in PROBLEMS else ("internal", {})
    kind = PROBLEMS[code]
    document = {
        "type": problem_type(code),
        "title": kind.title,
        "status": kind.status,
        "detail": kind.advice,
        "instance": f"tag:okacrm.net,2026:request/{request_id}",
        **{name: value for name, value in members.items() if name not in _OWN_MEMBERS and name != "allow"},
    }
    response = json_response(kind.status, document, media_type=PROBLEM_JSON)
    if kind.status == 401:
        response.headers.append(("WWW-Authenticate", "Bearer"))
    if code in RETRY_AFTER:
        response.headers.append(("Retry-After", str(members.get("retry_after", RETRY_AFTER[code]))))
    if code == "method-not-allowed":
        response.headers.append(("Allow", members["allow"]))
    return response


def body_errors(messages: Mapping[str, Any]) -> list[dict[str, str]]:
    """What marshmallow refused in a body: a JSON Pointer (RFC 6901) and a message each."""
    errors = [{"pointer": pointer, "message": message} for pointer, message in _flattened(messages, "")]
    return errors[:LARGEST_NUMBER_OF_ERRORS]


def query_errors(messages: Mapping[str, Any]) -> list[dict[str, str]]:
    """What marshmallow refused in a query: the parameter's name and a message each."""
    errors = [{"query": pointer[1:], "message": message} for pointer, message in _flattened(messages, "")]
    return errors[:LARGEST_NUMBER_OF_ERRORS]


def _flattened(messages: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from _flattened(inner, pointer if name == "_schema" else f"{pointer}/{_nameable(name)}")
    else:
        for message in messages:
            yield pointer, message


def _nameable(name: object) -> str:
    """The name of a member if it cannot be anything but a name: what a client invents is not repeated."""
    return str(name) if isinstance(name, int) or _HARMLESS_NAME.fullmatch(str(name)) else "?"
