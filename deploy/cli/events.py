"""`okacrm events`: what the services tell each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from deploy.cli._checking import checking_options, run_check

if TYPE_CHECKING:
    from shared.runtime.checking import Report


@click.group()
def events() -> None:
    """Domain events."""


@events.command()
@click.argument("pattern", default="*")
def tail(pattern: str) -> None:
    """Print events as they are published, one JSON envelope a line.

    PATTERN is `SERVICE`, or `SERVICE.EVENT` where EVENT may be `*`; `*` alone is everything.
    """
    from kombu import Connection, Consumer, Exchange, Queue

    from deploy.cli import operator_environment
    from deploy.local.platform import SERVICES
    from shared.bus.envelope import exchange_name
    from shared.runtime.config import Settings

    service, _, event = pattern.partition(".")
    services = SERVICES if service == "*" else (service,)
    with Connection(Settings(operator_environment()).amqp_url, heartbeat=10) as connection:
        queues = [
            Queue(
                exchange=Exchange(exchange_name(each), "topic", durable=True),
                routing_key=event if event and event != "*" else "#",
                exclusive=True,
                auto_delete=True,
            )
            for each in services
        ]

        def show(body: object, message: object) -> None:
            click.echo(bytes(message.body) if isinstance(message.body, memoryview) else message.body)  # type: ignore[attr-defined]

        with Consumer(connection, queues, callbacks=[show], no_ack=True, accept=None):
            click.echo(f"Following {', '.join(services)}; Ctrl-C ends.", err=True)
            while True:
                try:
                    connection.drain_events(timeout=5)
                except TimeoutError:
                    connection.heartbeat_check()
                except KeyboardInterrupt:
                    return


@events.command()
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@checking_options
def fsck(services: tuple[str, ...], as_json: bool, limit: int) -> None:
    """Check the event store of each SERVICE: that no event is lost, doubled, out of order or altered.

    Without a name, of all that publish. Reads each database as it stands at one moment, under the service's role. Exits
    with 0 when all holds, 1 when something does not, 2 when it could not run.
    """
    from deploy.local.platform import SERVICES

    unknown = set(services) - set(SERVICES)
    if unknown:
        raise click.BadParameter(f"no service is called {', '.join(sorted(unknown))}", param_hint="SERVICE")

    def check(report: Report) -> None:
        for name in services or SERVICES:
            _check_store(name, report)

    run_check(check, as_json=as_json, limit=limit, counted="events")


def _check_store(service: str, report: Report) -> None:
    from importlib import import_module
    from importlib.util import find_spec

    from deploy.cli import operator_environment
    from shared.eventstore.fsck import check_events, has_events
    from shared.runtime.checking import at_one_moment
    from shared.runtime.config import Settings
    from shared.runtime.database import connect

    if find_spec(f"shared.contracts.{service}"):
        import_module(f"shared.contracts.{service}")
    settings = Settings(operator_environment(f"service {service}"))
    engine = connect(settings.database_url, pool_size=1, application_name=f"{service} fsck")
    try:
        with at_one_moment(engine) as connection:
            if has_events(connection):
                check_events(connection, service, report)
            else:
                report.notes.append(f"{service} publishes nothing: it has no event store")
    finally:
        engine.dispose()
