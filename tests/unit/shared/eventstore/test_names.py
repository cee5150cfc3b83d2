"""The names of streams are stored, published and signed: they outlive the classes and modules that they stand in."""

from __future__ import annotations

import importlib
import pkgutil

import services
from shared.eventstore.aggregates import Aggregate

STREAMS = {
    "identity": {
        "account",
        "announcement",
        "cookiechoices",
        "feed",
        "guardrequest",
        "inquiry",
        "internalnote",
        "invitation",
        "lookup",
        "notice",
        "organisation",
        "preferences",
        "servicetoken",
        "session",
        "signal",
        "token",
    },
    "audit": {"correction", "disclosure", "export", "keyrotation", "policy", "question", "recipient"},
}
"""By the service whose streams they are. A name may be added to this list; none is ever changed or taken away."""


def test_streams_are_called_what_they_were_always_called():
    assert names_of_streams() == STREAMS


def names_of_streams() -> dict[str, set[str]]:
    for module in pkgutil.walk_packages(services.__path__, "services."):
        if ".migrations" not in module.name:
            importlib.import_module(module.name)
    found: dict[str, set[str]] = {}
    for kind in _every_kind_of(Aggregate):
        if kind._evolutions and kind.__module__.startswith("services."):
            found.setdefault(kind.__module__.split(".")[1], set()).add(kind.category)
    return found


def _every_kind_of(base: type[Aggregate]) -> list[type[Aggregate]]:
    return [kind for direct in base.__subclasses__() for kind in (direct, *_every_kind_of(direct))]
