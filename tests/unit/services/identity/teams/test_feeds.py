"""An epoch of the feed begins under a number that was never used."""

from __future__ import annotations

from uuid import uuid4

import pytest

from services.identity.teams.feeds import FEED_ID, Feed, Loss
from shared.contracts.identity import FeedEpochBegun
from shared.contracts.problems import Problem
from tests.making import NOON


def test_a_new_epoch_says_what_was_lost():
    feed, last = Feed(FEED_ID), uuid4()
    (begun,) = feed.begin_epoch(3, Loss(12, last, 5, 1), now=NOON)
    assert begun == FeedEpochBegun(
        feed_id=FEED_ID,
        epoch=3,
        last_common_position=12,
        last_common_event=last,
        lost_events=5,
        repeated_events=1,
        begun_at=NOON,
    )
    feed.apply(begun)
    assert feed.epoch == 3


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_an_epoch_is_begun_once(epoch):
    feed = Feed(FEED_ID, epoch=2)
    with pytest.raises(Problem, match="conflict"):
        list(feed.begin_epoch(epoch, Loss(0, None, 0, 0), now=NOON))
