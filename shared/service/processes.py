"""The two kinds of process of a service: the one that answers calls, and the courier that carries its events."""

from __future__ import annotations

import importlib
import signal
import threading
from typing import Any

import structlog

from shared.runtime import green
from shared.runtime.config import Settings
from shared.runtime.logging import configure

log = structlog.get_logger()


def run_service(name: str) -> None:
    """Runs `services.<name>.service` in a nameko container until it is told to stop.

    A service with a `prepare` is not there for anybody until that has returned.
    """
    green.patch()
    configure(f"service {name}")
    from nameko.containers import ServiceContainer

    module = importlib.import_module(f"services.{name}.service")
    service_class = getattr(module, f"{name.capitalize()}Service")
    settings = Settings.from_environment()
    settings.check_for(f"service {name}")
    if hasattr(module, "prepare"):
        module.prepare(settings)
    config = {"AMQP_URI": settings.amqp_url, "max_workers": 20, "HEARTBEAT": 10}
    run_container(ServiceContainer(service_class, config))


def run_container(container: Any) -> None:
    """Starts a nameko container and, on SIGTERM or SIGINT, lets it finish what it has begun."""
    import eventlet

    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    container.start()
    log.info("started")
    ended = eventlet.spawn(container.wait)
    # An idle hub does not notice what a signal handler asked for until its next timer: this is that timer.
    while not stopping.is_set() and not ended.dead:
        eventlet.sleep(0.2)
    container.stop()
    ended.wait()
    log.info("stopped")


def run_courier(name: str) -> None:
    """Runs the loops that `services.<name>.subscriptions` declares: the relay, the subscriptions, periodic duties."""
    configure(f"courier {name}")
    settings = Settings.from_environment()
    settings.check_for(f"courier {name}")
    # Not at the top: a service patches its process before anything imports the driver of the database.
    from shared.bus.loops import StoredReports, run_loops
    from shared.runtime.database import connect_for_loops

    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    module = importlib.import_module(f"services.{name}.subscriptions")
    settings = Settings.from_environment()
    loops = module.courier(settings, stopping)
    reports = StoredReports(connect_for_loops(settings.database_url, application_name=f"{name} reports"))
    log.info("started", loops=sorted(loop.name for loop in loops))
    run_loops(loops, stopping, reports)
    log.info("stopped")
