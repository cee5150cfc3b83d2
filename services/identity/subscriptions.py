"""What identity's courier does: it relays identity's events. Identity follows nobody yet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from shared.bus.connection import open_connection
from shared.bus.outbox import outbox_session
from shared.bus.relay import Relay
from shared.runtime.config import Settings
from shared.runtime.database import connect_for_leading


def courier(settings: Settings, stopping: threading.Event) -> dict[str, Callable[[], None]]:
    """The loops of the courier, by name."""
    engine = connect_for_leading(settings.database_url, application_name="identity relay")
    relay = Relay("identity", partial(outbox_session, engine), partial(open_connection, settings.amqp_url), stopping)
    return {"relay": relay.run}
