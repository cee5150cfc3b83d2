"""`okacrm events`: what the services tell each other."""

from __future__ import annotations

import json
from contextlib import ExitStack
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.cli._checking import checking_options, run_check
from deploy.cli._patterns import Pattern
from shared.contracts.services import PUBLISHERS

if TYPE_CHECKING:
    from kombu import Message
    from sqlalchemy import Connection

    from deploy.restores import Comparison
    from shared.runtime.checking import Report


@click.group()
def events() -> None:
    """Domain events."""


@events.command()
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
def tail(patterns: tuple[str, ...]) -> None:
    """Print events as they are published, one JSON envelope a line.

    PATTERN is SERVICE.EVENT, each of which may have wildcards: 'identity.*', identity.consent_withdrawn,
    'identity.consent_*', '*.question_asked'. SERVICE alone is everything of it. Without any, everything. Quote what has
    a star, for the shell has its own ideas about it.
    """
    from kombu import Connection, Consumer, Exchange, Queue

    from deploy.cli import operator_environment
    from shared.bus.envelope import exchange_name
    from shared.runtime.config import Settings

    wanted = [Pattern.of(each) for each in patterns or ("*",)]
    publishers = sorted({publisher for pattern in wanted for publisher in pattern.publishers})
    with Connection(Settings(operator_environment()).amqp_url, heartbeat=10) as connection:
        consumers = [
            Consumer(
                connection,
                Queue(
                    exchange=Exchange(exchange_name(publisher), "topic", durable=True),
                    routing_key="#",
                    exclusive=True,
                    auto_delete=True,
                ),
                callbacks=[partial(_show_if_wanted, wanted, publisher)],
                no_ack=True,
                accept=None,
            )
            for publisher in publishers
        ]
        with ExitStack() as consuming:
            for consumer in consumers:
                consuming.enter_context(consumer)
            click.echo(f"Following {', '.join(publishers)}; Ctrl-C ends.", err=True)
            while True:
                try:
                    connection.drain_events(timeout=5)
                except TimeoutError:
                    connection.heartbeat_check()
                except KeyboardInterrupt:
                    return


def _show_if_wanted(wanted: list[Pattern], publisher: str, body: object, message: Message) -> None:
    if any(pattern.matches(publisher, message.delivery_info["routing_key"]) for pattern in wanted):
        click.echo(bytes(message.body) if isinstance(message.body, memoryview) else message.body)


@events.command()
@click.option("--from", "position", type=click.IntRange(min=1), required=True, help="The first position of the feed.")
@click.option("--publisher", type=click.Choice(PUBLISHERS), default="identity", show_default=True)
@click.option("--type", "names", multiple=True, metavar="EVENT", help="Only these, such as 'consent_*'. Repeatable.")
def replay(position: int, publisher: str, names: tuple[str, ...]) -> None:
    """Print the feed of a service again from a position on, one JSON envelope a line, and end at its head.

    Each line is the very message that was published. Reads the service's database, not the broker, a page at a time.
    """
    from deploy.cli import operator_environment
    from shared.bus.envelope import routing_key, to_wire
    from shared.eventstore.store import cursor_before, entries_after, feed_state
    from shared.eventstore.transaction import reading
    from shared.runtime.config import Settings
    from shared.runtime.database import connect

    settings = Settings(operator_environment(f"service {publisher}"))
    engine = connect(settings.database_url, pool_size=1, application_name=f"{publisher} replay")
    try:
        with reading(engine) as connection:
            head = feed_state(connection).head
            cursor = cursor_before(connection, position)
        while cursor.position < head:
            with reading(engine) as connection:
                page = entries_after(connection, cursor)
            for entry in page:
                name = routing_key(entry.recorded)
                if not names or any(fnmatchcase(name, wanted) for wanted in names):
                    click.echo(to_wire(entry))
            cursor = page[-1].cursor
    finally:
        engine.dispose()


@events.command()
@click.option("--json", "as_json", is_flag=True, help="Print the AsyncAPI 3 document instead.")
def catalogue(as_json: bool) -> None:
    """Print the catalogue of all events, as docs/event-catalogue.md shows it."""
    from shared.contracts.catalogue import asyncapi_document, published_contracts
    from shared.contracts.catalogue_page import catalogue_page

    published = published_contracts()
    if as_json:
        click.echo(json.dumps(asyncapi_document(published), indent=1, ensure_ascii=False))
    else:
        click.echo(catalogue_page(published), nl=False)


@events.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def publish_contracts(file: Path) -> None:
    """Keep in FILE what the contracts promise to subscribers, so that a test can hold them to it.

    Refuses while the contracts break a promise that stands in FILE, and says which.
    """
    from shared.contracts.catalogue import published_contracts
    from shared.contracts.compatibility import broken_promises, promises_of, stranded_versions, written

    present = published_contracts()
    published = json.loads(file.read_text("utf-8")) if file.exists() else {}
    promises = promises_of(present)
    if broken := [*broken_promises(published, promises), *stranded_versions(present)]:
        raise click.ClickException("\n".join(["what was published must stay as it is:", *broken]))
    file.write_text(written(promises), "utf-8")


@events.command()
@click.argument("services", metavar="[SERVICE]...", nargs=-1)
@checking_options
def fsck(services: tuple[str, ...], as_json: bool, limit: int) -> None:
    """Check the event store of each SERVICE: that no event is lost, doubled, out of order or altered.

    Without a name, of all that publish. Each event is compared with its leaf in the audit log as well, where
    OKACRM_AUDIT_DATABASE_URL names its database. Reads each database as it stands at one moment, under the service's
    role. Exits with 0 when all holds, 1 when something does not, 2 when it could not run.
    """
    from shared.contracts.services import SERVICE_NAMES

    unknown = set(services) - set(SERVICE_NAMES)
    if unknown:
        raise click.BadParameter(f"no service is called {', '.join(sorted(unknown))}", param_hint="SERVICE")

    def check(report: Report) -> None:
        for name in services or SERVICE_NAMES:
            _check_store(name, report)

    run_check(check, as_json=as_json, limit=limit, counted="events")


def _check_store(service: str, report: Report) -> None:
    from importlib import import_module
    from importlib.util import find_spec

    from deploy.cli import operator_environment
    from services.audit.checking.comparing import compare_store, stands_at
    from services.audit.subscriptions import LOG
    from shared.eventstore.fsck import check_events, has_events
    from shared.runtime.checking import at_one_moment
    from shared.runtime.config import Settings
    from shared.runtime.database import connect

    if find_spec(f"shared.contracts.{service}"):
        import_module(f"shared.contracts.{service}")
    settings = Settings(operator_environment() | operator_environment(f"service {service}"))
    with ExitStack() as opened:

        def moment(url: str) -> Connection:
            engine = connect(url, pool_size=1, application_name=f"{service} fsck")
            opened.callback(engine.dispose)
            return opened.enter_context(at_one_moment(engine))

        # The log is asked first: whatever it has recorded by then, the store must have.
        has_log = settings.environment.get(Settings.audit_database_url.name)
        log = moment(settings.audit_database_url) if has_log else None
        stands = stands_at(log, service, LOG) if log else 0
        store = moment(settings.database_url)
        if not has_events(store):
            report.notes.append(f"{service} publishes nothing: it has no event store")
            return
        check_events(store, service, report)
        if log is None:
            report.notes.append(f"the audit log was not given: events of {service} were not compared with their leaves")
        else:
            compare_store(log, store, service, stands, report)


@events.command()
@click.argument("publisher")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write what was found there, as JSON.")
@click.option("--accept-loss", is_flag=True, help="Begin the new epoch. Without it nothing is changed.")
def new_epoch(publisher: str, report: Path | None, accept_loss: bool) -> None:
    """Account for what PUBLISHER lost when it was restored from an older copy, and go on under a new epoch.

    Lists what the audit log holds beyond the last place that it and the restored feed have in common. With
    --accept-loss the decision is recorded by PUBLISHER itself, and the log follows its feed again from there on. Safe
    to repeat.
    """
    from deploy.cli._operator import operator_calls
    from deploy.restores import compare, go_on
    from shared.contracts.services import SERVICE_NAMES

    if publisher not in SERVICE_NAMES or publisher == "audit":
        raise click.BadParameter("the audit log follows no such publisher", param_hint="PUBLISHER")
    with operator_calls() as call:
        found = compare(call, publisher)
        if found.agrees:
            click.echo(f"The audit log and {publisher} agree up to position {found.common['position']}: nothing to do.")
            return
        if report:
            report.write_text(json.dumps(found.report(), indent=2) + "\n", "utf-8")
        click.echo(_describe(found))
        if not accept_loss:
            click.echo("\nNothing was changed. With --accept-loss the feed goes on under a new epoch.")
            raise SystemExit(1)
        go_on(call, found)
    click.echo(f"\nEpoch {found.next_epoch} of {publisher} goes on behind position {found.common['position']}.")


def _describe(found: Comparison) -> str:
    stands, common = found.stands, found.common
    lines = [
        f"The audit log stands at position {stands['position']} of {found.publisher} (epoch {stands['epoch']}).",
        f"The last place it has in common with the restored feed is position {common['position']}.",
        f"{len(found.lost)} events beyond it are lost at {found.publisher}; the log keeps their records.",
    ]
    if found.repeated:
        lines.append(f"{found.repeated} more are still there, at other positions; they get no second record.")
    if found.waiting:
        lines.append(f"{found.waiting} committed events wait to be numbered: let the courier do it, and look again.")
    if found.begun:
        lines.append(f"Epoch {found.next_epoch} was begun behind it already.")
    if found.lost:
        lines += ["", f"{'position':>8}  {'event':<36}  {'occurred':<27}  type, stream, subjects"]
    for each in found.lost:
        name = each["type"].rsplit(".", 1)[-1]
        lines.append(f"{each['position']:>8}  {each['event_id']}  {each['occurred_at']}  {name}, {each['stream']}")
        lines += [f"{'':>10}about {subject}" for subject in each["subjects"]]
    erasures = [each for each in found.lost if each["type"].endswith("_erased")]
    if erasures:
        lines += ["", "Among them are erasures. Their keys stay destroyed; have them recorded again:"]
        lines += dict.fromkeys(
            f"  okacrm keys destroy {each['subjects'][0]} --yes"
            + (f" --category {each['category']}" if each["category"] else "")
            for each in erasures
        )
    return "\n".join(lines)
