"""The policy: a document of the house, its versions, and when each of them takes effect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from shared.contracts.audit import PolicyPublished, PolicyWithdrawn
from shared.contracts.events import Event
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import FIRST_POLICY_VERSION, PRIVACY_POLICY
from shared.eventstore.aggregates import Aggregate, evolve

FALLBACK_LANGUAGE = "en"
SHORTEST_NOTICE_OF_MATERIAL_CHANGE = timedelta(days=30)
"""So long before a material change takes effect everybody is told (decision 37)."""
FIRST_EFFECTIVE_AT = datetime.fromisoformat(FIRST_POLICY_VERSION).replace(tzinfo=UTC)

_NAMES = UUID("6f1c1d0e-54c7-5d0b-9d8f-0d1a52f3c1aa")


def policy_id(policy: str) -> UUID:
    """Each policy is one stream, so that its versions are decided one after the other."""
    return uuid5(_NAMES, policy)


@dataclass(frozen=True)
class Summary:
    """What changes, in one language; an empty line begins another paragraph."""

    language: str
    subject_line: str
    text: str


@dataclass(frozen=True)
class Edition:
    """A version of a policy as an officer wants it published."""

    version: str
    material: bool
    notice: timedelta
    effective_at: datetime
    summaries: Sequence[Summary]
    document_url: str
    document_sha256: str


@dataclass
class Policy(Aggregate, stream="policy"):
    """What people were told, and will be told, in one document. Of `versions` those count that were not withdrawn."""

    id: UUID
    versions: dict[str, datetime] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.id == policy_id(PRIVACY_POLICY):
            self.versions[FIRST_POLICY_VERSION] = FIRST_EFFECTIVE_AT

    def publish(self, policy: str, edition: Edition, *, now: datetime) -> Iterator[Event]:
        """Makes a version known that takes effect after its notice.

        Raises a `Problem`: `policy-version-taken` for a name that was given before, `words-missing` without an English
        summary, `policy-notice-too-short`, or `policy-out-of-order` unless it takes effect after all others.
        """
        if edition.version in self.versions or edition.version in self.withdrawn:
            raise Problem("policy-version-taken")
        if FALLBACK_LANGUAGE not in {summary.language for summary in edition.summaries}:
            raise Problem("words-missing")
        if edition.material and edition.notice < SHORTEST_NOTICE_OF_MATERIAL_CHANGE:
            raise Problem("policy-notice-too-short")
        if edition.effective_at < now + edition.notice:
            raise Problem("policy-notice-too-short")
        if any(edition.effective_at <= effective_at for effective_at in self.versions.values()):
            raise Problem("policy-out-of-order")
        yield PolicyPublished(
            policy_id=self.id,
            policy=policy,
            policy_version=edition.version,
            material=edition.material,
            notice_days=edition.notice.days,
            summaries=[vars(summary) for summary in edition.summaries],
            document_url=edition.document_url,
            document_sha256=edition.document_sha256,
            published_at=now,
            effective_at=edition.effective_at,
        )

    def withdraw(self, policy: str, version: str, *, now: datetime) -> Iterator[Event]:
        """Takes a version back before it takes effect; doing it again is no event.

        Raises `Problem("not-found")` for one that was never published, `Problem("policy-in-effect")` if it is too late.
        """
        if version in self.withdrawn:
            return
        if version not in self.versions:
            raise Problem("not-found")
        if self.versions[version] <= now:
            raise Problem("policy-in-effect")
        yield PolicyWithdrawn(policy_id=self.id, policy=policy, policy_version=version, withdrawn_at=now)

    @evolve
    def _published(self, event: PolicyPublished) -> None:
        self.versions[event.policy_version] = event.effective_at

    @evolve
    def _withdrawn(self, event: PolicyWithdrawn) -> None:
        self.versions.pop(event.policy_version, None)
        self.withdrawn.add(event.policy_version)
