"""The countries there are: ISO 3166-1 alpha-2 codes, as the IANA time zone database lists them."""

from __future__ import annotations

from importlib.resources import files


def _countries() -> frozenset[str]:
    table = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    return frozenset(line[:2] for line in table.splitlines() if not line.startswith("#"))


COUNTRIES = _countries()
