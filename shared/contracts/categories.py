"""Categories of personal data, and the scope that each one ages by.

A key belongs to (subject, category, scope). The scope is the smallest part of a category that is ever erased on its
own: the month for technical data, the connection for platform data, nothing for identity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

ScopeRule = Callable[[datetime, Mapping[str, Any]], str]


def _whole(occurred_at: datetime, data: Mapping[str, Any]) -> str:
    return ""


def _month(occurred_at: datetime, data: Mapping[str, Any]) -> str:
    return f"{occurred_at:%Y-%m}"


def _year(occurred_at: datetime, data: Mapping[str, Any]) -> str:
    return f"{occurred_at:%Y}"


def _field(name: str) -> ScopeRule:
    def scope(occurred_at: datetime, data: Mapping[str, Any]) -> str:
        return str(data[name])

    return scope


@dataclass(frozen=True)
class CategoryRule:
    """How one category ages, and whether law keeps it when its person is erased as a whole."""

    scope: ScopeRule
    ages_by: str
    kept_by_law: bool = False


class Category(StrEnum):
    """The six categories of section 2 of the privacy policy."""

    IDENTITY = "identity"
    PLATFORM = "platform"
    CONTENT = "content"
    FINANCIAL = "financial"
    COMMUNICATIONS = "communications"
    TECHNICAL = "technical"

    @property
    def ages_by(self) -> str:
        """What the scope of a key is, in a word: `nothing` where there is one key for all the data of a person."""
        return _RULES[self].ages_by

    @property
    def kept_by_law(self) -> bool:
        return _RULES[self].kept_by_law

    def scope(self, occurred_at: datetime, data: Mapping[str, Any]) -> str:
        """The scope of a value of this category in an event that occurred then and holds this public data."""
        return _RULES[self].scope(occurred_at, data)


_RULES = {
    Category.IDENTITY: CategoryRule(_whole, "nothing"),
    Category.PLATFORM: CategoryRule(_field("connection_id"), "connection"),
    Category.CONTENT: CategoryRule(_whole, "nothing"),
    Category.FINANCIAL: CategoryRule(_year, "year", kept_by_law=True),
    Category.COMMUNICATIONS: CategoryRule(_year, "year"),
    Category.TECHNICAL: CategoryRule(_month, "month"),
}
