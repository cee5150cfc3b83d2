"""The announcement: something that everybody concerned is told, each in their own language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.contracts.events import Event
from shared.contracts.identity import AnnouncementPublished, AnnouncementWorded
from shared.contracts.problems import Problem
from shared.eventstore.aggregates import Aggregate, evolve

FALLBACK_LANGUAGE = "en"


@dataclass(frozen=True)
class Wording:
    """What is said in one language; an empty line begins another paragraph."""

    subject_line: str
    text: str


@dataclass
class Announcement(Aggregate, stream="announcement"):
    """It is published as it is made, and never changes."""

    id: UUID
    published: bool = False

    def publish(self, kind: str, wordings: Mapping[str, Wording], *, now: datetime) -> Iterator[Event]:
        """Publishes words by language. Raises `Problem("words-missing")` without those to fall back on."""
        if FALLBACK_LANGUAGE not in wordings:
            raise Problem("words-missing")
        for language, wording in sorted(wordings.items()):
            yield AnnouncementWorded(
                announcement_id=self.id, language=language, subject_line=wording.subject_line, text=wording.text
            )
        yield AnnouncementPublished(announcement_id=self.id, kind=kind, published_at=now)

    @evolve
    def _worded(self, event: AnnouncementWorded) -> None:
        """Nothing to change: it decides nothing about words."""

    @evolve
    def _published(self, event: AnnouncementPublished) -> None:
        self.published = True
