"""The register of purposes: what personal data is used for, what it rests on, and the words in which people are asked.

The entries stand in `purposes.toml`. Identity records in answer to which words a consent was given, audit tells what
those words were, and a browser shows them: each of them looks here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from shared.contracts.vocabulary import PURPOSES


@dataclass(frozen=True)
class Wording:
    """The words in which people are asked, as they were from the day on that is their version. By language (BCP 47)."""

    version: str
    text: Mapping[str, str]


@dataclass(frozen=True)
class Purpose:
    """One purpose.

    `legal_basis` is one of `LEGAL_BASES`. A `required` one comes with having an account, and cannot be declined.
    `categories` are those of the personal data it needs, and `recipients` the kinds of recipients who may be given some
    of it. `wordings`, oldest first, is empty where nobody is asked.
    """

    id: str
    title: str
    legal_basis: str
    required: bool
    categories: tuple[str, ...]
    recipients: tuple[str, ...]
    wordings: tuple[Wording, ...] = ()

    @property
    def wording_in_force(self) -> str:
        """The version of the words that are shown now. Raises `IndexError` where nobody is asked."""
        return self.wordings[-1].version


def _register() -> dict[str, Purpose]:
    written = tomllib.loads((files("shared.contracts") / "purposes.toml").read_text(encoding="utf-8"))
    return {id: _purpose(id, entry) for id, entry in written.items()}


def _purpose(id: str, entry: dict[str, Any]) -> Purpose:
    return Purpose(
        id=id,
        title=entry["title"],
        legal_basis=entry["legal_basis"],
        required=entry["required"],
        categories=tuple(entry["categories"]),
        recipients=tuple(entry["recipients"]),
        wordings=tuple(Wording(**wording) for wording in entry.get("wordings", ())),
    )


REGISTER: Mapping[str, Purpose] = _register()
"""All purposes, by their id."""


CONSENT_WORDINGS = tuple(sorted({wording.version for purpose in PURPOSES for wording in REGISTER[purpose].wordings}))
"""Versions of the words in which people are asked to consent, oldest first."""
FIRST_CONSENT_WORDING = CONSENT_WORDINGS[0]

NOTICE_PURPOSES = {
    "service": "service_notices",
    "product": "product_news",
    "policy_update": "policy_updates",
    "legal": "legal_notices",
}
"""The purpose of each kind of notice."""


def purpose_of_notice(kind: str) -> Purpose:
    """What a kind of notice is for, and so what it rests on."""
    return REGISTER[NOTICE_PURPOSES[kind]]
