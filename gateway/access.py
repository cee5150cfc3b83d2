"""Who may do what, told from the route tables: what the guards of each route mean for each kind of session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.routing import Route
from gateway.schemas import Id
from shared.contracts.problems import PROBLEMS
from shared.contracts.vocabulary import GUARDS

VISITOR = "no session"

_PREFACE = """\
# Who may do what

Made from the route tables by `okacrm access`; a test fails while this page differs from them. Columns are the guard of
the session in which something is asked. A number is the status of a refusal: 401 is `not-signed-in`, 403 is
`wrong-guard`.

`tests/unit/gateway/test_access.py` asks every cell of this table of the gateway, and `tests/e2e/test_leaks.py` asks
those that refuse of the whole platform. For each id in a path, a query or a body (last column), the latter also asks
with an id that exists and is not for the one who asks, and with an id that does not exist: the answers are alike in
every byte.
"""


def refusal(route: Route, guard: str) -> str | None:
    """The problem that a session of this guard, or `VISITOR`, meets at a route before anything else is looked at."""
    if not route.guards or guard in route.guards:
        return None
    return "not-signed-in" if guard == VISITOR else "wrong-guard"


def ids_of(route: Route) -> tuple[str, ...]:
    """The names under which a route takes ids: of its path, its query and its body."""
    body = route.body().fields if route.body else {}
    places = (route.parameters, route.query().fields, body)
    return tuple(name for fields in places for name, field in fields.items() if isinstance(field, Id))


def access_page(routes: Iterable[Route]) -> str:
    """The table of all routes and guards, in Markdown."""
    return "\n".join((_PREFACE, *_table(routes), ""))


def _table(routes: Iterable[Route]) -> Iterator[str]:
    columns = (VISITOR, *GUARDS)
    yield f"| route | {' | '.join(columns)} | ids |"
    yield "|---" * (len(columns) + 2) + "|"
    for route in routes:
        cells = (_cell(refusal(route, guard)) for guard in columns)
        names = ", ".join(f"`{name}`" for name in ids_of(route))
        yield f"| `{route.method} {route.template}` | {' | '.join(cells)} | {names} |"


def _cell(code: str | None) -> str:
    return "yes" if code is None else str(PROBLEMS[code].status)
