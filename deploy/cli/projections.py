"""`okacrm projections`: the read models of the services, and rebuilding them beside the running platform."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from deploy.cli import operator_environment, state_directory
from deploy.cli._tables import table

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from shared.bus.rpc import RpcClient
    from shared.eventstore.rebuilding import ReadModel
    from shared.eventstore.store import FeedCursor


@click.group()
def projections() -> None:
    """Read models, which follow from events and can be made again from them."""


@projections.command("list")
def show() -> None:
    """List the read models with their tables, and how far a rebuild of each has come that has not ended."""
    from shared.contracts.services import SERVICE_NAMES
    from shared.eventstore.rebuilding import unfinished

    rows = []
    for service in SERVICE_NAMES:
        with _as_owner(service) as engine, engine.connect() as connection:
            begun = unfinished(connection)
        rows += [
            (f"{service} {model.name}", ", ".join(model.tables), begun.get(model.name))
            for model in _read_models(service)
        ]
    click.echo("\n".join(table(("read model", "tables", "rebuilt so far"), rows)))


@projections.command()
@click.argument("service")
@click.argument("name", required=False)
@click.option("--anew", is_flag=True, help="Begin from the first event, even if a former rebuild was not finished.")
def rebuild(service: str, name: str | None, anew: bool) -> None:
    """Make the read model NAME of SERVICE anew from the events, or all of them one after the other.

    The platform goes on meanwhile with what is there, until the new tables take the places of the old ones. A rebuild
    that was stopped goes on where it was when it is run again.
    """
    from shared.eventstore.rebuilding import Rebuilder
    from shared.eventstore.twins import CannotRebuild

    models = _wanted(service, name)
    with _as_owner(service) as engine:
        rebuilder = Rebuilder(engine, tell=click.echo)
        for model in models:
            try:
                rebuilt = rebuilder.rebuild(model, anew=anew)
            except CannotRebuild as error:
                raise click.ClickException(f"{model.name}: {error}") from None
            click.echo(
                f"{model.name}: rebuilt from {rebuilt.places:,} in {rebuilt.seconds:.1f} s "
                f"({rebuilt.rate:,.0f}/s); swapped in {1000 * rebuilt.swap_seconds:.0f} ms"
            )


def _wanted(service: str, name: str | None) -> list[ReadModel]:
    from shared.contracts.services import SERVICE_NAMES

    if service not in SERVICE_NAMES:
        raise click.BadParameter(f"one of {', '.join(SERVICE_NAMES)}", param_hint="SERVICE")
    models = _read_models(service)
    wanted = [model for model in models if name in (None, model.name)]
    if not wanted:
        raise click.BadParameter(f"one of {', '.join(model.name for model in models)}", param_hint="NAME")
    return wanted


def _read_models(service: str) -> tuple[ReadModel, ...]:
    from importlib import import_module

    models: tuple[ReadModel, ...] = import_module(f"services.{service}.rebuilding").read_models(_Feeds(service))
    return models


@contextmanager
def _as_owner(service: str) -> Iterator[Engine]:
    """The database of a service, reached by the role that owns its tables."""
    from deploy.local.platform import Platform
    from shared.runtime.database import connect

    platform = Platform.running(state_directory())
    database = platform.databases[service]
    url = platform.database_url(database.name, database.owner)
    engine = connect(url, pool_size=1, statement_timeout_ms=0, application_name="operator")
    try:
        yield engine
    finally:
        engine.dispose()


class _Feeds:
    """Asks publishers for their feeds in the name of a service; it connects when the first of them is asked."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, publisher: str, cursor: FeedCursor) -> dict[str, Any]:
        from shared.bus.actors import Actor
        from shared.contracts.problems import Problem
        from shared.eventstore.twins import CannotRebuild

        arguments = {
            "epoch": cursor.epoch,
            "position": cursor.position,
            "event_id": str(cursor.event_id) if cursor.event_id else None,
            "limit": 500,
        }
        actor = Actor("service", self._service)
        try:
            page: dict[str, Any] = self._rpc.call(
                publisher, "read_feed", arguments, actor=actor, correlation_id=str(uuid.uuid4())
            )
        except Problem as problem:
            raise CannotRebuild(f"{publisher} does not give its feed: {problem.code}") from None
        return page

    @cached_property
    def _rpc(self) -> RpcClient:
        from shared.bus.actors import Signer
        from shared.bus.rpc import RpcClient
        from shared.runtime.config import Settings

        settings = Settings(operator_environment(f"courier {self._service}"))
        rpc = RpcClient(settings.amqp_url, Signer(self._service, settings.signing_key), name="operator")
        rpc.start()
        if not rpc.wait_until_connected(10):
            raise click.ClickException("the broker does not answer")
        return rpc
