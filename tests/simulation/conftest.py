"""Small batches, so that there is more than one, and relays that poll seldom, which saves steps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from shared.bus import relay, subscriptions
from tests.simulation.platform import into_the_story


@pytest.fixture(autouse=True, scope="package")
def constants() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(relay, "BATCH", 3)
        patch.setattr(subscriptions, "BATCH", 3)
        patch.setattr(relay, "LONGEST_POLL", 0.5)
        patch.setattr(relay, "POLL_GROWTH", 2)
        structlog.configure(processors=[into_the_story])
        yield
        structlog.reset_defaults()
