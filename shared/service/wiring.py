"""How a service's parts are put together from its settings."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Engine

from shared.bus.actors import Actor, Call
from shared.contracts.problems import Problem
from shared.eventstore.projections import OwnProjections
from shared.eventstore.recorded import Circumstances
from shared.eventstore.work import Command, EventStore
from shared.privacy.keyring import Keyring
from shared.privacy.secrets import ServiceSecret
from shared.runtime import clock
from shared.runtime.config import Settings
from shared.runtime.database import connect


def event_store(
    service: str, settings: Settings, projections: OwnProjections, keys: Keyring, engine: Engine | None = None
) -> EventStore:
    """The event store of a service, with the keyring that seals for it; over another `engine`, one in autocommit."""
    return EventStore(
        engine or connect(settings.database_url, application_name=service, autocommit=True),
        keys,
        ServiceSecret(settings.service_secret),
        projections,
        clock=clock.now,
        new_id=clock.new_id,
    )


def keyring(service: str, settings: Settings) -> Keyring:
    """The keyring as `service` may use it."""
    engine = connect(settings.keyring_url, application_name=service, pool_size=5)
    return Keyring(engine, settings.master_key, new_id=clock.new_id)


def command_of(call: Call) -> Command:
    """The command that a call asks for. Raises `Problem("malformed-request")` if it carries no command id."""
    try:
        command_id = UUID(call.command_id)
    except ValueError:
        raise Problem("malformed-request") from None
    return Command(command_id, f"{call.service}.{call.method}", call.arguments, _circumstances(call, command_id))


def own_command(call: Call, id: UUID) -> Command:
    """Something that a service does by itself on the occasion of a call; it has one effect for its id."""
    return Command(id, f"{call.service} by itself", {}, _circumstances(call, id))


def service_command(service: str, name: str, id: UUID, correlation_id: str) -> Command:
    """Something that a service does by itself, and not on the occasion of a call; it has one effect for its id."""
    return Command(id, name, {}, Circumstances(str(Actor("service", service)), correlation_id, causation_id=str(id)))


def _circumstances(call: Call, command_id: UUID) -> Circumstances:
    return Circumstances(actor=str(call.actor), correlation_id=call.correlation_id, causation_id=str(command_id))
