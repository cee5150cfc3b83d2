"""Records to fill a log with: people who consent, sign in and change their profiles, and what recipients are shown."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from services.audit.leaves import Leaf, SealedField
from services.audit.merkle import leaf_hash
from services.audit.projections import Entry
from shared.contracts.times import rfc3339
from shared.privacy.categories import Category
from shared.privacy.sealing import Sealed
from shared.runtime import clock


@dataclass
class World:
    """Who and what the records are about. One record a second, of which the first was at `started`."""

    started: datetime
    people: Sequence[UUID] = field(default_factory=lambda: [clock.new_id() for _ in range(50_000)])
    workspaces: Sequence[UUID] = field(default_factory=lambda: [clock.new_id() for _ in range(2_000)])
    recipients: Sequence[UUID] = field(default_factory=lambda: [clock.new_id() for _ in range(500)])
    counters: dict[UUID, int] = field(default_factory=dict)

    def moment(self, index: int) -> datetime:
        return self.started + timedelta(seconds=index)

    def entry(self, index: int) -> Entry:
        """The record at an index: of ten, six about consents, two sign-ins, a change of a profile, a disclosure."""
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
        workspace = random.choice(self.workspaces)
        return self._made(index, subject, "portal.record_disclosed", data=data, workspace=workspace)

    def _made(
        self,
        index: int,
        subject: UUID,
        kind: str,
        *,
        data: dict[str, str] | None = None,
        workspace: UUID | None = None,
        sealed: Category | None = None,
    ) -> Entry:
        event_id, moment = clock.new_id(), rfc3339(self.moment(index))
        value = sealed and Sealed(event_id.bytes * 3, event_id, sealed, subject, "value", event_id)
        if workspace:
            self.counters[workspace] = self.counters.get(workspace, 0) + 1
        leaf = Leaf(
            event_id=str(event_id),
            publisher=kind.partition(".")[0],
            epoch=1,
            position=index + 1,
            workspace=workspace and str(workspace),
            workspace_counter=workspace and self.counters[workspace],
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
