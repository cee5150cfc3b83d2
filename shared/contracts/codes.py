"""Codes as people write them down and type them in."""

from __future__ import annotations

import unicodedata

_BETWEEN_GROUPS = {"Pd", "Zs"}


def code_as_meant(written: str) -> str:
    """Return a code in capitals, without the spaces and dashes of its groups, and with plain digits for wide ones."""
    letters = unicodedata.normalize("NFKC", written)
    return "".join(each for each in letters if unicodedata.category(each) not in _BETWEEN_GROUPS).upper()
