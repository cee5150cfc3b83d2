"""Comparing the log with a restored feed: what is common, what is lost, and what only moved."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.restores import BEGINNING, PAGE, compare, go_on


class Services:
    """A log of records, and a publisher that has some of them; both answer like the real ones."""

    def __init__(self, records: int) -> None:
        self.log = [record(position) for position in range(1, records + 1)]
        self.places: dict[str, dict[str, int] | None] = {}
        self.epoch, self.after, self.waiting = 1, 0, 0
        self.done: list[tuple[str, str, dict[str, Any]]] = []

    def has(self, *positions: int) -> None:
        self.places |= {f"event-{position}": {"epoch": 1, "position": position} for position in positions}

    def call(self, service: str, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if method == "feed_tail":
            before = arguments["before"]
            known = [each for each in self.log if before is None or each["log_position"] < before]
            last = self.log[-1] if self.log else BEGINNING | {"epoch": 0}
            page = known[::-1][: arguments["limit"]]
            return {name: last[name] for name in ("epoch", *BEGINNING)} | {
                "highest_epoch": 1,
                "halted": "so",
                "records": page,
            }
        if method == "locate_events":
            state = {"epoch": self.epoch, "after_position": self.after, "head": 0, "waiting": self.waiting}
            return state | {"places": {id: self.places[id] for id in arguments["event_ids"] if id in self.places}}
        self.done.append((service, method, arguments))
        return {}


def record(position: int) -> dict[str, Any]:
    return {
        "log_position": position - 1,
        "event_id": f"event-{position}",
        "position": position,
        "epoch": 1,
        "given_up": False,
    }


def positions(found: Any) -> list[int]:
    return [each["position"] for each in found.lost]


@pytest.mark.parametrize(("records", "common"), [(5, 3), (PAGE + 1, 1), (3 * PAGE, PAGE), (2, 2)])
def test_the_last_common_place_is_found_however_long_the_tail(records: int, common: int) -> None:
    services = Services(records)
    services.has(*range(1, common + 1))
    found = compare(services.call, "identity")
    assert found.common["position"] == common
    assert positions(found) == list(range(common + 1, records + 1))
    assert found.agrees == (records == common)


@pytest.mark.parametrize("records", [0, 3, PAGE])
def test_nothing_may_be_common(records: int) -> None:
    found = compare(Services(records).call, "identity")
    assert (found.common, len(found.lost), found.agrees) == (BEGINNING, records, records == 0)


def test_what_only_moved_or_waits_is_not_lost() -> None:
    services = Services(6)
    services.has(1, 2)
    services.places |= {"event-3": {"epoch": 1, "position": 4}, "event-4": {"epoch": 1, "position": 3}, "event-5": None}
    found = compare(services.call, "identity")
    assert (found.common["position"], found.repeated, positions(found)) == (2, 3, [6])


def test_what_was_given_up_before_is_not_lost_again() -> None:
    services = Services(4)
    services.has(1)
    services.log[2]["given_up"] = True
    assert positions(compare(services.call, "identity")) == [2, 4]


def test_going_on_begins_the_epoch_and_then_moves_the_cursor() -> None:
    services = Services(4)
    services.has(1, 2)
    go_on(services.call, compare(services.call, "identity"))
    (_, begin, epoch), (_, resume, places) = services.done
    assert (begin, resume) == ("begin_feed_epoch", "resume_feed")
    assert (epoch["epoch"], epoch["last_common_position"], epoch["lost_events"]) == (2, 2, 2)
    assert (places["stands"]["position"], places["resumes"]["position"]) == (4, 2)
    assert (places["stands"]["epoch"], places["resumes"]["epoch"]) == (1, 2)


def test_an_epoch_that_was_begun_before_an_interruption_is_not_begun_again() -> None:
    services = Services(4)
    services.has(1, 2)
    services.epoch, services.after = 2, 2
    go_on(services.call, compare(services.call, "identity"))
    assert [method for _, method, _ in services.done] == ["resume_feed"]


def test_an_epoch_begun_behind_another_place_is_not_taken_for_this_one() -> None:
    services = Services(4)
    services.has(1, 2)
    services.epoch, services.after = 2, 1
    assert compare(services.call, "identity").next_epoch == 3
