"""The recipient: an organisation that personal data is disclosed to, in versions that all stay known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.audit.disclosures.aggregate.transfers import admitted_mechanisms
from shared.contracts.audit import RecipientEnded, RecipientEntered, RecipientRevised
from shared.contracts.events import Event
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import ENTERED_RECIPIENT_KINDS
from shared.eventstore.aggregates import Aggregate, evolve

CARRYING_KIND = "infrastructure_vendor"


@dataclass(frozen=True)
class Particulars:
    """What is known of a recipient and can change.

    `carries` are the flows of the platform that it takes by itself. They hold from `valid_from` on and before
    `valid_until`; None is open.
    """

    legal_name: str
    role: str
    country: str
    transfer_mechanism: str
    document_reference: str
    valid_from: datetime
    valid_until: datetime | None = None
    carries: Sequence[str] = ()


@dataclass
class Recipient(Aggregate, stream="recipient"):
    """One organisation. Of several versions, the last one that has begun is in force."""

    id: UUID
    kind: str = ""
    versions: list[Particulars] = field(default_factory=list)
    ended_at: datetime | None = None

    def enter(self, kind: str, particulars: Particulars, *, now: datetime) -> Iterator[Event]:
        """Raises `Problem("recipient-kind-refused")`, for a buyer of data as well, and what `_must_admit` raises."""
        if kind not in ENTERED_RECIPIENT_KINDS:
            raise Problem("recipient-kind-refused")
        _must_admit(kind, particulars, now)
        yield RecipientEntered(
            recipient_id=self.id, recipient_version=1, kind=kind, entered_at=now, **_written(particulars)
        )

    def revise(self, particulars: Particulars, *, now: datetime) -> Iterator[Event]:
        """Makes another version; the kind stays. Raises `Problem("not-found")`, `recipient-ended`, and as `enter`."""
        self._must_go_on()
        _must_admit(self.kind, particulars, now)
        yield RecipientRevised(
            recipient_id=self.id,
            recipient_version=len(self.versions) + 1,
            kind=self.kind,
            revised_at=now,
            **_written(particulars),
        )

    def end(self, *, now: datetime) -> Iterator[Event]:
        """Raises `Problem("not-found")` and `recipient-ended`."""
        self._must_go_on()
        yield RecipientEnded(recipient_id=self.id, ended_at=now)

    def version_at(self, moment: datetime) -> int | None:
        """The number of the version that was in force at a moment, or None."""
        begun = [number for number, each in enumerate(self.versions, start=1) if each.valid_from <= moment]
        if not begun or (self.ended_at is not None and self.ended_at <= moment):
            return None
        valid_until = self.versions[begun[-1] - 1].valid_until
        return begun[-1] if valid_until is None or moment < valid_until else None

    def _must_go_on(self) -> None:
        if self.version == 0:
            raise Problem("not-found")
        if self.ended_at is not None:
            raise Problem("recipient-ended")

    @evolve
    def _entered(self, event: RecipientEntered) -> None:
        self.kind = event.kind
        self.versions.append(_read(event))

    @evolve
    def _revised(self, event: RecipientRevised) -> None:
        self.versions.append(_read(event))

    @evolve
    def _ended(self, event: RecipientEnded) -> None:
        self.ended_at = event.ended_at


def _must_admit(kind: str, particulars: Particulars, now: datetime) -> None:
    """Returns if a recipient of this kind can be like that.

    Raises `Problem("transfer-mechanism-refused")`, `carrier-refused`, and `validity-refused` if it ends before it
    begins, or is to have carried what the log has recorded already.
    """
    if particulars.transfer_mechanism not in admitted_mechanisms(particulars.country, particulars.valid_from):
        raise Problem("transfer-mechanism-refused")
    if particulars.carries and kind != CARRYING_KIND:
        raise Problem("carrier-refused")
    is_empty = particulars.valid_until is not None and particulars.valid_until <= particulars.valid_from
    if is_empty or (particulars.carries and particulars.valid_from < now):
        raise Problem("validity-refused")


def _written(particulars: Particulars) -> dict[str, Any]:
    return {**vars(particulars), "carries": sorted(set(particulars.carries))}


def _read(event: RecipientEntered | RecipientRevised) -> Particulars:
    return Particulars(
        legal_name=event.legal_name,
        role=event.role,
        country=event.country,
        transfer_mechanism=event.transfer_mechanism,
        document_reference=event.document_reference,
        valid_from=event.valid_from,
        valid_until=event.valid_until,
        carries=event.carries,
    )
