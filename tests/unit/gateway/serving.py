"""The real web server in front of played services.

`python -m tests.unit.gateway.serving PORT METRICS_PORT [impatient]` runs it.

The impatient one waits a second where the real one waits many, and takes few connections.
"""

from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import sys  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

from gateway import connections, server  # noqa: E402
from gateway.perimeter import Perimeter  # noqa: E402
from shared.runtime.logging import configure  # noqa: E402
from tests.unit.gateway.playing import CURSORS, services_by_example  # noqa: E402

SLOW = 1000


def main() -> None:
    configure("gateway")
    services = services_by_example()
    prompt = services.answers["audit.prove_consistency"]

    def answer(arguments: dict[str, Any]) -> Any:
        if arguments["to_size"] == SLOW:
            time.sleep(1.5)
        return prompt(arguments)

    def keep_the_hub_awake() -> None:
        """As the connection to the broker does; a hub without any timer notices signals late."""
        while True:
            time.sleep(0.1)

    services.answers["audit.prove_consistency"] = answer
    services.answers["audit.follow_feed"] = lambda arguments: {
        "entries": [],
        "position": 0,
        "next_cursor": None,
        "head": 0,
    }
    eventlet.spawn(keep_the_hub_awake)
    if "impatient" in sys.argv:
        server.HEAD_SECONDS = server.BODY_SECONDS = 1
        server.REQUEST_SECONDS = server.KEEP_ALIVE_SECONDS = 2
        connections.MOST_OF_ONE_ADDRESS = 4
    server.serve(
        services, Perimeter(), CURSORS, host="127.0.0.1", port=int(sys.argv[1]), metrics=("127.0.0.1", int(sys.argv[2]))
    )


if __name__ == "__main__":
    main()
