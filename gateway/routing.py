"""Routes as data. Matching, guards, validation, answers and documentation all come from these declarations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, Protocol, TypeVar

from marshmallow import Schema
from marshmallow.fields import Field

from gateway.response import JSON, NO_STORE
from gateway.schemas import Nothing
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import GUARDS, STAFF_GUARDS, TEAM

Guards = frozenset[str]

PUBLIC: Guards = frozenset()
"""Anybody; no session is looked at."""
ANY_PERSON: Guards = frozenset(GUARDS)
"""Whoever has a session, of whichever guard."""
STAFF: Guards = frozenset({"staff"})
COMPLIANCE: Guards = frozenset({"compliance"})
TEAMS: Guards = frozenset({TEAM})
"""Programs of internal teams, and nobody in person."""

_PARAMETER = re.compile(r"\{(\w+)\}")
_PARAMETER_OF_ANY_LENGTH = re.compile(r"\{\+(\w+)\}")


class SessionStep(Enum):
    """What a route does about who asks, beside what the service does."""

    NONE = "none"
    OPENS = "opens"
    RENEWS = "renews"
    SHOWS = "shows"
    CLOSES = "closes"
    REGISTERS = "registers"
    OPTIONAL = "optional"


@dataclass(frozen=True)
class Representation:
    """One form of an answer. `member` names the part of it that is sent verbatim; None sends all of it as JSON.

    A member that is `base64` is sent as the bytes it stands for; calls carry JSON only.
    """

    media_type: str
    member: str | None = None
    example: str = ""
    base64: bool = False


AS_JSON = (Representation(JSON),)


@dataclass(frozen=True)
class Upload:
    """A file of at most `largest` bytes in the place of a body. It travels in the call as base64, under `argument`."""

    argument: str
    media_types: tuple[str, ...]
    largest: int
    example: str
    """A small file of the first media type, base64."""


@dataclass(frozen=True)
class Route:
    """One thing that can be done over HTTP.

    `calls` is `service.method`, or empty where the session alone is the answer. The arguments of the call are the
    parameters of the path, of the query and the members of the body, under the names of the schemas' attributes. Of an
    answer only what `answers` declares leaves the gateway. `problems` are those of this route; `all_problems` adds
    those that come from its shape.

    `{name}` in the path is one segment of it; `{+name}` is one or more, as in RFC 6570. `operation` names the operation
    where several routes make the same call.

    A body is JSON, or else what an HTML form sends where mail programs send it: `as_form`. `upload` is in the place of
    `body` where a file is sent. `step_up` asks for a session whose user showed a moment
    ago, by `POST /v1/session/step-up`, that they are the person.

    Whoever acts for the house needs a second factor for it, unless it is needed `before_second_factor`.

    An API token may do this if it has `scope`; a route without one is for sessions only. With `tells_client` the
    service is told which client asks, beside what is asked. A route that `follows` waits for what it is asked for.
    """

    method: str
    path: str
    guards: Guards
    calls: str
    summary: str
    tag: str
    description: str = ""
    parameters: Mapping[str, Field[Any]] = field(default_factory=dict)
    query: type[Schema] = Nothing
    body: type[Schema] | None = None
    answers: type[Schema] | None = None
    status: int = 200
    representations: Sequence[Representation] = AS_JSON
    cache: str = NO_STORE
    session: SessionStep = SessionStep.NONE
    problems: tuple[str, ...] = ()
    operation: str = ""
    as_form: bool = False
    upload: Upload | None = None
    step_up: bool = False
    before_second_factor: bool = False
    scope: str = ""
    tells_client: bool = False
    follows: bool = False

    @property
    def template(self) -> str:
        """The path as OpenAPI writes it, which has one form for parameters of any length."""
        return self.path.replace("{+", "{")

    @property
    def sessions(self) -> Guards:
        """The guards in whose sessions this can be asked, whether it needs a session or not."""
        return ANY_PERSON if self.session is SessionStep.OPTIONAL else self.guards

    @property
    def lists(self) -> bool:
        """Whether it is answered page by page."""
        return "cursor" in self.query().fields

    @property
    def is_command(self) -> bool:
        """Whether it may change something, and so takes an Idempotency-Key."""
        return self.method != "GET"

    def needs_second_factor(self, guard: str) -> bool:
        """Whether a session of this guard may do it only if its user showed a second factor."""
        return guard in STAFF_GUARDS and not self.before_second_factor

    @property
    def operation_id(self) -> str:
        if self.operation:
            return self.operation
        return self.calls.replace(".", "_") if self.calls else f"{self.session.value}_session"

    @property
    def all_problems(self) -> tuple[str, ...]:
        codes = ["malformed-request", "not-acceptable", "validation-failed"]
        codes += ["misdirected", "rate-limited", "head-too-large", "request-too-slow", "length-required"]
        if self.guards:
            codes += ["not-signed-in", "wrong-guard", "scope-missing"]
        if any(self.needs_second_factor(guard) for guard in self.guards):
            codes.append("second-factor-missing")
        if len(self.sessions) > 1:
            codes.append("guard-ambiguous")
        if self.is_command:
            codes += ["idempotency-key-malformed", "idempotency-key-reused", "conflict"]
            codes += ["malformed-json"] if self.upload is None and not self.as_form else []
            codes += ["unsupported-media-type", "body-too-large"]
            if self.sessions:
                codes.append("csrf-failed")
        if self.step_up:
            codes.append("step-up-required")
        if self.parameters:
            codes.append("not-found")
        if self.lists:
            codes.append("cursor-invalid")
        codes += ["service-unavailable", "key-unknown", "outcome-unknown", "internal"]
        return tuple(dict.fromkeys((*self.problems, *codes)))


class Target(Protocol):
    """What a path leads to."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...


T = TypeVar("T", bound=Target)


@dataclass
class _Node(Generic[T]):
    """A place in the tree of paths."""

    literal: dict[str, _Node[T]] = field(default_factory=dict)
    parameter: _Node[T] | None = None
    tails: dict[str, _Node[T]] = field(default_factory=dict)
    """Where the rest of a path leads that matches a pattern, the most specific first."""
    names: tuple[str, ...] = ()
    targets: dict[str, T] = field(default_factory=dict)


class Router(Generic[T]):
    """Finds what a request is for, by one dictionary look-up per segment of its path."""

    def __init__(self, targets: Iterable[T]) -> None:
        self._root: _Node[T] = _Node()
        for target in targets:
            self._add(target)

    def _add(self, target: T) -> None:
        node = self._root
        segments = target.path.split("/")[1:]
        for number, segment in enumerate(segments):
            if _PARAMETER_OF_ANY_LENGTH.match(segment):
                node = _tail(node, "/".join(segments[number:]))
                break
            if _PARAMETER.fullmatch(segment):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literal.setdefault(segment, _Node())
        node.names = tuple(re.findall(r"\{\+?(\w+)\}", target.path))
        if target.method in node.targets:
            raise ValueError(f"{target.method} {target.path} is declared twice")
        node.targets[target.method] = target
        if target.method == "GET":
            node.targets["HEAD"] = target

    def match(self, method: str, segments: Sequence[str]) -> tuple[T, dict[str, str]]:
        """The target and the raw parameters of its path. Raises `not-found` or `method-not-allowed`."""
        node, values = self._find(segments)
        target = node.targets.get(method)
        if target is None:
            raise Problem("method-not-allowed", allow=", ".join(sorted(node.targets)))
        return target, dict(zip(node.names, values, strict=True))

    def methods(self, segments: Sequence[str]) -> Iterable[str]:
        """What can be done at a path. Raises `not-found` where there is nothing."""
        return self._find(segments)[0].targets

    def _find(self, segments: Sequence[str]) -> tuple[_Node[T], list[str]]:
        node, values = self._root, []
        for number, segment in enumerate(segments):
            following = node.literal.get(segment)
            if following is None:
                following = node.parameter
                values.append(segment)
            if following is None:
                node, rest = _matching_tail(node, segments[number:])
                values[-1:] = rest
                break
            node = following
        if not node.targets:
            raise Problem("not-found")
        return node, values


def _tail(node: _Node[T], template: str) -> _Node[T]:
    """The node for the rest of a path that begins with a parameter of any length."""
    pattern = re.sub(r"\\\{(\\\+)?\w+\\\}", lambda name: "(.+)" if name[1] else "([^/]+)", re.escape(template))
    found = node.tails.setdefault(pattern, _Node())
    node.tails = dict(sorted(node.tails.items(), key=lambda tail: -len(tail[0])))
    return found


def _matching_tail(node: _Node[T], segments: Sequence[str]) -> tuple[_Node[T], tuple[str, ...]]:
    """Where the rest of a path leads, and the parameters in it. Raises `not-found`, also for an escaped slash."""
    if not any("/" in segment for segment in segments):
        for pattern, following in node.tails.items():
            if found := re.fullmatch(pattern, "/".join(segments), re.DOTALL):
                return following, found.groups()
    raise Problem("not-found")
