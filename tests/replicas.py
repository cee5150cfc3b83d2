"""A second gateway and a second identity service beside those of a platform."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from deploy.local.platform import CHECKOUT, Platform
from tests.making import eventually


@contextmanager
def second(platform: Platform) -> Iterator[str]:
    """The address of the second gateway, as long as both processes run."""
    port = platform.state.port("second gateway")
    metrics = platform.state.port("metrics of the second gateway")
    own = {"OKACRM_HTTP_PORT": str(port), "OKACRM_METRICS_ADDRESS": f"127.0.0.1:{metrics}"}
    processes = []
    for name in ("service identity", "gateway"):
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "PYTHONWARNINGS": "ignore"}
        environment |= platform.environment(name) | (own if name == "gateway" else {})
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "deploy.cli", *name.split()], env=environment, stderr=subprocess.DEVNULL
            )
        )
    base_url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: _ready(base_url))
        yield base_url
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)


def _ready(base_url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{base_url}/readyz", timeout=2) as answer:
        return bool(answer.status == 200)
    return False
