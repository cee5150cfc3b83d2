"""Records to fill a log with: people who consent, sign in and change their profiles, and what recipients are shown.

They are made by a process of their own, ahead of what is done with them.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from multiprocessing import get_context
from typing import Any
from uuid import UUID

from services.audit.intake.sequencing import Entry
from services.audit.tree.leaves import Leaf, SealedField
from services.audit.tree.merkle import leaf_hash
from shared.contracts.categories import Category
from shared.contracts.times import rfc3339
from shared.privacy.sealing import Sealed
from shared.runtime import clock

AHEAD = 3


@dataclass
class World:
    """Who and what the records are about. One record a second, of which the first was at `started`."""

    started: datetime
    people: Sequence[UUID] = field(default_factory=lambda: [clock.new_id() for _ in range(50_000)])
    workspaces: Sequence[UUID] = field(default_factory=lambda: [clock.new_id() for _ in range(2_000)])
    recipients: Sequence[UUID] = field(default_factory=lambda: [clock.new_id() for _ in range(500)])

    def moment(self, index: int) -> datetime:
        return self.started + timedelta(seconds=index)

    def entry(self, index: int) -> Entry:
        """The record at an index: of ten, six about consents, two sign-ins, a change of a profile, a disclosure.

        Every other disclosure is one in a portal, and one that officers recorded.
        """
        subject = self.people[index * 7919 % len(self.people)]
        kind = index % 10
        if kind < 6:
            state = "granted" if random.random() < 0.6 else "withdrawn"
            data = {"account_id": str(subject), "purpose": "product_news", "effective_at": rfc3339(self.moment(index))}
            return self._made(index, subject, f"identity.consent_{state}", data=data)
        if kind < 8:
            return self._made(index, subject, "identity.session_opened", sealed=Category.TECHNICAL)
        if kind == 8:
            return self._made(index, subject, "identity.account_profile_changed", sealed=Category.IDENTITY)
        data = {"recipient_id": str(random.choice(self.recipients))}
        if index % 20 < 10:
            return self._made(index, subject, "audit.disclosure_recorded", data=self._disclosed(data, subject, index))
        workspace = random.choice(self.workspaces)
        return self._made(index, subject, "portal.record_disclosed", data=data, workspace=workspace)

    def _disclosed(self, to: dict[str, Any], subject: UUID, index: int) -> dict[str, Any]:
        return to | {
            "subject_id": str(subject),
            "recipient_version": 1,
            "recipient_kind": "authority",
            "country": random.choice(("DE", "FR", "US")),
            "transfer_mechanism": random.choice(("none_needed", "scc")),
            "categories": ["identity"],
            "purpose": "legal_demand",
            "legal_basis": "legal_obligation",
            "document_reference": f"28-O-{index}",
            "designated_by": str(self.people[0]),
            "disclosed_at": rfc3339(self.moment(index)),
        }

    def batch(self, first: int, end: int) -> list[Entry]:
        return [self.entry(index) for index in range(first, end)]

    def _made(
        self,
        index: int,
        subject: UUID,
        kind: str,
        *,
        data: dict[str, Any] | None = None,
        workspace: UUID | None = None,
        sealed: Category | None = None,
    ) -> Entry:
        event_id, moment = clock.new_id(), rfc3339(self.moment(index))
        value = sealed and Sealed(event_id.bytes * 3, event_id, sealed, subject, "value", event_id)
        leaf = Leaf(
            event_id=str(event_id),
            publisher=kind.partition(".")[0],
            epoch=1,
            position=index + 1,
            workspace=workspace and str(workspace),
            workspace_counter=index + 1 if workspace else None,
            stream=f"account-{subject}",
            stream_version=index // len(self.people) + 1,
            type=f"okacrm.{kind}",
            schema_version=1,
            actor=f"influencer:{subject}",
            subjects=[str(subject)],
            correlation=str(event_id),
            causation=None,
            occurred_at=moment,
            received_at=moment,
            data=data or {},
            sealed=[
                SealedField(
                    "value",
                    value.category.value,
                    str(subject),
                    str(event_id),
                    sha256(value.ciphertext).hexdigest(),
                )
            ]
            if value
            else [],
        )
        bytes_ = leaf.to_bytes()
        return Entry(index, leaf, bytes_, leaf_hash(bytes_), {"value": value} if value else {})


_worlds: list[World] = []
"""In the process that makes records: the one world that they are about."""


def batches(world: World, first: int, end: int, size: int) -> Iterator[list[Entry]]:
    """All records from index `first` up to `end`, in batches."""
    with ProcessPoolExecutor(1, get_context("spawn"), _enter, [world]) as maker:
        waiting: deque[Future[list[Entry]]] = deque()
        for at in range(first, end, size):
            waiting.append(maker.submit(_batch, at, min(end, at + size)))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _enter(world: World) -> None:
    _worlds.append(world)


def _batch(first: int, end: int) -> list[Entry]:
    return _worlds[0].batch(first, end)
