"""Erasures as the log tells of them: which leaf says that keys were destroyed, and which sealed values went with them.

Audit has no list of such events. Their contracts declare what they erase (`shared.contracts.events`).
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from services.audit.tree.leaves import Leaf
from shared.contracts.catalogue import published_contracts
from shared.contracts.categories import Category

_CONTRACTS = {(each.type, each.version): each for each in published_contracts() if each.erases is not None}

ERASURES = sorted({type_ for type_, _ in _CONTRACTS})
"""The types of the events that tell of an erasure."""


@dataclass(frozen=True)
class ErasedValues:
    """The values that cannot be opened any more: those of one person, of some categories."""

    subject: UUID
    categories: tuple[str, ...]


def erased_by(leaf: Leaf) -> ErasedValues | None:
    """Return what can no longer be opened, as a leaf says; None for any leaf that tells of no erasure.

    Raises `LookupError` or `ValueError` for a leaf that does not say what its event must.
    """
    contract = _CONTRACTS.get((leaf.type, leaf.schema_version))
    erasure = contract.erasure(leaf.data) if contract else None
    if erasure is None:
        return None
    subject, category = erasure
    lost = [category] if category else [each for each in Category if not each.kept_by_law]
    return ErasedValues(subject, tuple(each.value for each in lost))
