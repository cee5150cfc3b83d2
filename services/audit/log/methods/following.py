"""Operations of operators on what the log follows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import structlog

from services.audit.application import Audit
from services.audit.log import queries
from services.audit.log.queries import FeedPlace
from shared.bus.actors import OPERATOR, Call
from shared.bus.operations import operation
from shared.eventstore.transaction import reading

log = structlog.get_logger()


class Following:
    """How the log follows a publisher that was restored."""

    app: Audit

    @operation(principals=[OPERATOR])
    def feed_tail(self, call: Call, publisher: str, before: int | None = None, limit: int = 500) -> dict[str, Any]:
        with reading(self.app.engine) as connection:
            return queries.feed_tail(connection, publisher, before, limit)

    @operation(principals=[OPERATOR])
    def resume_feed(
        self, call: Call, publisher: str, stands: dict[str, Any], resumes: dict[str, Any]
    ) -> dict[str, Any]:
        """Lets the log follow a publisher from another place on, after a restore of that publisher."""
        with reading(self.app.engine) as connection:
            queries.resume_feed(connection, publisher, _place(stands), _place(resumes))
            connection.commit()
        log.warning("feed_resumed", publisher=publisher, stands=stands, resumes=resumes)
        return resumes


def _place(place: dict[str, Any]) -> FeedPlace:
    return FeedPlace(place["epoch"], place["position"], UUID(place["event_id"]) if place["event_id"] else None)
