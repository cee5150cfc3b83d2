"""Who may do what, told from the route tables: what each route means for everybody who could ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.routing import Route
from gateway.schemas import Id
from shared.contracts.problems import PROBLEMS
from shared.contracts.vocabulary import GUARDS, TEAM

VISITOR = "no session"

_PREFACE = """\
# Who may do what

Made from the route tables by `okacrm access`; a test fails while this page differs from them. The first columns are the
guard of the session in which something is asked. A number is the status of a refusal: 401 is `not-signed-in`, 403 is
`wrong-guard`.

Whoever acts as `compliance` or `staff` needs a second factor. Until its person has shown one, a session of these guards
may only do what says so under "before a second factor", and is otherwise refused with 403 `second-factor-missing`. So
is an API token of theirs while its person has none.

Where it says so under step-up, a session of the right guard is refused as well, with 403 `step-up-required`, unless its
person showed again who they are a moment ago. An API token may do what sessions of its guard may, if the route has a
scope and the token has that scope; otherwise it is refused with 403 `scope-missing`. So is a service token of an
internal team (`team`), which opens feeds and nothing else.

`tests/unit/gateway/test_access.py` asks every cell of this table of the gateway, and `tests/e2e/test_leaks.py` asks
those that refuse of the whole platform. For each id in a path, a query or a body (last column), the latter also asks
with an id that exists and is not for the one who asks, and with an id that does not exist: the answers are alike in
every byte.
"""


@dataclass(frozen=True)
class Caller:
    """Who asks, as far as routes tell people apart. A session has no `scopes`; an API token has some."""

    guard: str = VISITOR
    stepped_up: bool = False
    second_factor: bool = True
    scopes: frozenset[str] | None = None


def refusal(route: Route, caller: Caller) -> str | None:
    """The problem that somebody meets at a route before anything of what they ask is looked at."""
    if not route.guards:
        return None
    if caller.guard == VISITOR:
        return "not-signed-in"
    if caller.guard not in route.guards:
        return "wrong-guard"
    if caller.scopes is not None and route.scope not in caller.scopes:
        return "scope-missing"
    if route.needs_second_factor(caller.guard) and not caller.second_factor:
        return "second-factor-missing"
    if route.step_up and not caller.stepped_up:
        return "step-up-required"
    return None


def ids_of(route: Route) -> tuple[str, ...]:
    """The names under which a route takes ids: of its path, its query and its body."""
    body = route.body().fields if route.body else {}
    places = (route.parameters, route.query().fields, body)
    return tuple(name for fields in places for name, field in fields.items() if isinstance(field, Id))


def access_page(routes: Iterable[Route]) -> str:
    """The table of all routes and guards, in Markdown."""
    return "\n".join((_PREFACE, *_table(routes), ""))


def _table(routes: Iterable[Route]) -> Iterator[str]:
    columns = ("route", VISITOR, *GUARDS, TEAM, "before a second factor", "step-up", "scope of an API token", "ids")
    yield _row(columns)
    yield "|---" * len(columns) + "|"
    for route in routes:
        yield _row(
            (
                f"`{route.method} {route.template}`",
                _cell(refusal(route, Caller())),
                *(_cell(refusal(route, Caller(guard, stepped_up=True))) for guard in (*GUARDS, TEAM)),
                "yes" if route.before_second_factor else "",
                "needed" if route.step_up else "",
                f"`{route.scope}`" if route.scope else "",
                ", ".join(f"`{name}`" for name in ids_of(route)),
            )
        )


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(code: str | None) -> str:
    return "yes" if code is None else str(PROBLEMS[code].status)
