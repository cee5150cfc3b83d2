"""The disclosure: data of some persons went to a recipient, which is recorded once and for all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.audit.disclosures.aggregate.recipients import Recipient
from shared.contracts.audit import DisclosureRecorded
from shared.contracts.events import Event
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import Aggregate, evolve

AUTHORITY, CONSENT = "authority", "consent"


@dataclass(frozen=True)
class Grounds:
    """Which data was disclosed when, what for, on which basis and under which document.

    With the basis `consent` it cites the record of that consent. `withheld_until` and the document that demands it are
    given for what an authority forbids to tell the person before.
    """

    categories: Sequence[str]
    purpose: str
    legal_basis: str
    document_reference: str
    disclosed_at: datetime
    consent_record_id: UUID | None = None
    withheld_until: datetime | None = None
    withholding_reference: str | None = None


@dataclass
class Disclosure(Aggregate, stream="disclosure"):
    """One disclosure, about one person or several."""

    id: UUID

    def record(
        self, recipient: Recipient, grounds: Grounds, *, subjects: Sequence[UUID], designated_by: UUID, now: datetime
    ) -> Iterator[Event]:
        """Yields an event for each person.

        Raises `Problem("not-found")` for a recipient that there is not, `recipient-not-in-force` for one that was not
        at that moment, `disclosure-in-future`, `consent-not-cited` and `withholding-refused`.
        """
        if recipient.version == 0:
            raise Problem("not-found")
        if grounds.disclosed_at > now:
            raise Problem("disclosure-in-future")
        version = recipient.version_at(grounds.disclosed_at)
        if version is None:
            raise Problem("recipient-not-in-force")
        persons = list(dict.fromkeys(subjects))
        _must_cite(grounds, persons)
        _may_be_withheld(grounds, recipient.kind)
        particulars = recipient.versions[version - 1]
        for subject_id in persons:
            yield DisclosureRecorded(
                disclosure_id=self.id,
                subject_id=subject_id,
                recipient_id=recipient.id,
                recipient_version=version,
                recipient_kind=recipient.kind,
                country=particulars.country,
                transfer_mechanism=particulars.transfer_mechanism,
                categories=sorted(set(grounds.categories)),
                purpose=grounds.purpose,
                legal_basis=grounds.legal_basis,
                consent_record_id=grounds.consent_record_id,
                document_reference=grounds.document_reference,
                designated_by=designated_by,
                disclosed_at=grounds.disclosed_at,
                withheld_until=grounds.withheld_until,
                withholding_reference=grounds.withholding_reference,
                recorded_at=now,
            )

    @evolve
    def _recorded(self, event: DisclosureRecorded) -> None:
        """Nothing follows from a disclosure."""


def _must_cite(grounds: Grounds, persons: Sequence[UUID]) -> None:
    """A consent is one person's own, so a disclosure that rests on it is about nobody else."""
    if (grounds.legal_basis == CONSENT) != (grounds.consent_record_id is not None):
        raise Problem("consent-not-cited")
    if grounds.legal_basis == CONSENT and len(persons) != 1:
        raise Problem("consent-not-cited")


def _may_be_withheld(grounds: Grounds, kind: str) -> None:
    if (grounds.withheld_until is None) != (grounds.withholding_reference is None):
        raise Problem("withholding-refused")
    if grounds.withheld_until is not None and (kind != AUTHORITY or grounds.withheld_until <= grounds.disclosed_at):
        raise Problem("withholding-refused")
