"""The time zones that people live in, of the IANA database."""

from __future__ import annotations

from importlib.resources import files

_OF_NOBODY = {"Factory"}
"""The zone of a machine that was told none."""

TIME_ZONES = frozenset(files("tzdata").joinpath("zones").read_text().split()) - _OF_NOBODY
"""As the package `tzdata` lists them: what a machine adds, such as its own `localtime`, is no zone of people."""
