"""Which events a command is about, as it is written on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

import click

from shared.contracts.services import PUBLISHERS


@dataclass(frozen=True)
class Pattern:
    """Events by publisher and name, each of which may have wildcards."""

    publisher: str
    name: str

    @classmethod
    def of(cls, text: str) -> Pattern:
        """`identity.consent_*`, or `identity` for everything of it. Raises `BadParameter` where nobody publishes."""
        publisher, _, name = text.partition(".")
        pattern = cls(publisher, name or "*")
        if not pattern.publishers:
            raise click.BadParameter(
                f"nobody who publishes is called {publisher}; there are {', '.join(PUBLISHERS)}", param_hint="PATTERN"
            )
        return pattern

    @property
    def publishers(self) -> list[str]:
        return [each for each in PUBLISHERS if fnmatchcase(each, self.publisher)]

    def matches(self, publisher: str, name: str) -> bool:
        return fnmatchcase(publisher, self.publisher) and fnmatchcase(name, self.name)
