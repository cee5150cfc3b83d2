"""The register of consents: what each record says of how a person stands to a purpose.

A person can be asked for consent, object, choose what they want to be told, and have their data restricted: these are
the aspects of one purpose, and none takes the place of another. An entry has two times, that from which it counts and
that at which the log learned of it, and is never changed: what is said later, however early it counts, is an entry
of its own. Entries are derived from leaves, whichever version their events were recorded under.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.audit.tree.leaves import Leaf
from shared.contracts.events import contract_of, upcasted
from shared.contracts.identity import (
    AccountRestricted,
    AccountUnrestricted,
    BrowserSignalHeard,
    ConsentGranted,
    ConsentWithdrawn,
    CookieConsentCarriedOver,
    CookieConsentGranted,
    CookieConsentRefused,
    CookieConsentWithdrawn,
    NoticeObjectionRaised,
    NoticeObjectionWithdrawn,
    NoticePreferenceChanged,
)
from shared.contracts.purposes import NOTICE_PURPOSES
from shared.contracts.vocabulary import (
    EVERY_PURPOSE,
    NOTICE_CHANNELS,
    NOTICE_KINDS,
    OBJECTIONABLE_KINDS,
    RECORDED_PURPOSES,
)


@dataclass(frozen=True)
class ConsentEntry:
    """One entry, with times as they are written in the leaf. `channel` is there where only one is meant."""

    subject: str
    purpose: str
    aspect: str
    channel: str | None
    state: str
    wording_version: str | None
    legal_basis: str | None
    effective_at: str
    expires_at: str | None
    recorded_at: str


@dataclass(frozen=True)
class _Source:
    """How one type of event is read: what it is about, how its first subject stands after it, and since when."""

    aspect: str
    state: str
    moment: str = "effective_at"


_SOURCES: Mapping[str, _Source] = {
    contract_of(event).type: source
    for event, source in (
        (ConsentGranted, _Source("consent", "granted")),
        (ConsentWithdrawn, _Source("consent", "withdrawn")),
        (CookieConsentGranted, _Source("consent", "granted")),
        (CookieConsentRefused, _Source("consent", "refused")),
        (CookieConsentWithdrawn, _Source("consent", "withdrawn")),
        (BrowserSignalHeard, _Source("consent", "objected")),
        (CookieConsentCarriedOver, _Source("consent", "carried_over")),
        (NoticeObjectionRaised, _Source("objection", "objected", "raised_at")),
        (NoticeObjectionWithdrawn, _Source("objection", "objection_withdrawn", "withdrawn_at")),
        (NoticePreferenceChanged, _Source("preference", "wanted", "changed_at")),
        (AccountRestricted, _Source("restriction", "restricted", "restricted_at")),
        (AccountUnrestricted, _Source("restriction", "unrestricted", "unrestricted_at")),
    )
}


MATTERS: Sequence[tuple[str, str, str | None]] = (
    *((purpose, "consent", None) for purpose in RECORDED_PURPOSES),
    *((NOTICE_PURPOSES[kind], "objection", None) for kind in OBJECTIONABLE_KINDS),
    *((NOTICE_PURPOSES[kind], "preference", channel) for kind in NOTICE_KINDS for channel in NOTICE_CHANNELS),
    (EVERY_PURPOSE, "restriction", None),
)
"""Everything that a person can stand to in one way at a time: purpose, aspect and channel."""


def entry_of(leaf: Leaf) -> ConsentEntry | None:
    """What a leaf says for the register; None if it says nothing for it. Raises `KeyError` if it lacks what it must."""
    source = _SOURCES.get(leaf.type)
    if source is None:
        return None
    data = upcasted(leaf.type, leaf.schema_version, leaf.data)
    return ConsentEntry(
        subject=leaf.subjects[0],
        purpose=_purpose(data),
        aspect=source.aspect,
        channel=data.get("channel"),
        state="not_wanted" if data.get("wanted") is False else source.state,
        wording_version=data.get("wording_version"),
        legal_basis=data.get("legal_basis", "consent" if source.aspect == "consent" else None),
        effective_at=data[source.moment],
        expires_at=data.get("expires_at"),
        recorded_at=leaf.received_at,
    )


def _purpose(data: Mapping[str, Any]) -> str:
    """What an event is about: a purpose, a kind of notice, or all that is done with a person's data."""
    if "kind" in data:
        return NOTICE_PURPOSES[data["kind"]]
    return str(data.get("purpose", EVERY_PURPOSE))
