"""A publisher was restored from an older copy: what the audit log holds beyond it, and how both go on together.

Everything is asked of the two services by call, under the operator's name. Each step finds out by itself whether it
was done before, so that whatever was interrupted is simply done again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ServiceCall = Callable[[str, str, dict[str, Any]], dict[str, Any]]

PAGE = 500
BEGINNING = {"position": 0, "event_id": None}


@dataclass(frozen=True)
class Comparison:
    """What the audit log and the restored feed of a publisher have in common, and what only the log has.

    Places are dictionaries of `position` and `event_id`, and where the log stands, also of `epoch`.
    """

    publisher: str
    stands: dict[str, Any]
    common: dict[str, Any]
    lost: list[dict[str, Any]]
    repeated: int
    next_epoch: int
    begun: bool
    waiting: int

    @property
    def agrees(self) -> bool:
        """Whether the log stands at a place that the publisher knows, so that there is nothing to be done."""
        return bool(self.stands["event_id"] == self.common["event_id"])

    def report(self) -> dict[str, Any]:
        return {
            "publisher": self.publisher,
            "audited_to": self.stands,
            "last_common": self.common,
            "lost": self.lost,
            "repeated_events": self.repeated,
            "epoch": self.next_epoch,
        }


def compare(call: ServiceCall, publisher: str) -> Comparison:
    """Goes back through the log until an event stands where the publisher's feed has it. Changes nothing.

    Costs as much as there is beyond that place, not as much as there is in the log.
    """
    lost: list[dict[str, Any]] = []
    repeated = 0
    before: int | None = None
    while True:
        tail = call("audit", "feed_tail", {"publisher": publisher, "before": before, "limit": PAGE})
        records = tail["records"]
        here = call(publisher, "locate_events", {"event_ids": [record["event_id"] for record in records]})
        common = None if records else BEGINNING
        for record in records:
            if record["event_id"] not in here["places"]:
                if not record["given_up"]:
                    lost.append(record)
                continue
            place = here["places"][record["event_id"]]
            if place is not None and place["position"] == record["position"]:
                common = {"position": place["position"], "event_id": record["event_id"]}
                break
            repeated += 1
        if common is not None:
            break
        before = records[-1]["log_position"]
    begun = here["epoch"] > tail["highest_epoch"] and here["after_position"] == common["position"]
    return Comparison(
        publisher=publisher,
        stands={name: tail[name] for name in ("epoch", "position", "event_id")},
        common=common,
        lost=lost[::-1],
        repeated=repeated,
        next_epoch=here["epoch"] if begun else max(here["epoch"], tail["highest_epoch"]) + 1,
        begun=begun,
        waiting=here["waiting"],
    )


def go_on(call: ServiceCall, found: Comparison) -> None:
    """Begins the new epoch, unless that was done before, and lets the log follow from the last common place on."""
    if not found.begun:
        call(
            found.publisher,
            "begin_feed_epoch",
            {
                "epoch": found.next_epoch,
                "last_common_position": found.common["position"],
                "last_common_event": found.common["event_id"],
                "lost_events": len(found.lost),
                "repeated_events": found.repeated,
            },
        )
    # Standing in the new epoch, the log takes nothing more of the old one that may still be under way.
    resumes = {**found.common, "epoch": found.next_epoch}
    call("audit", "resume_feed", {"publisher": found.publisher, "stands": found.stands, "resumes": resumes})
