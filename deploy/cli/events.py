"""`okacrm events`: what the services tell each other."""

from __future__ import annotations

import click


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
