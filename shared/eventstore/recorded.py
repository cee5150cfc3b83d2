"""An event as it is recorded: a CloudEvents 1.0 envelope in canonical JSON, sealed once and never written again.

What is stored has every attribute but the place in the feed, which is not known yet. The relay adds the feed
attributes behind the stored bytes, so the stored bytes travel unchanged inside the message and can be cut out of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, cast
from uuid import UUID

from shared.contracts.categories import Category
from shared.contracts.events import Contract, Event, contract_for, load_event
from shared.contracts.fields import ERASED
from shared.contracts.times import rfc3339
from shared.eventstore.canonical import canonical_json
from shared.privacy.keyring import Keyring
from shared.privacy.sealing import Sealed, is_sealed, seal, unseal


@dataclass(frozen=True)
class Circumstances:
    """Who caused an event, and in what connection."""

    actor: str
    correlation_id: str
    causation_id: str | None = None


@dataclass(frozen=True)
class Recorded:
    """An event with its envelope. `body` is the stored bytes."""

    body: bytes

    @classmethod
    def parsed(cls, body: bytes, envelope: dict[str, Any]) -> Recorded:
        """The event of a body that was parsed already."""
        recorded = cls(body)
        recorded.__dict__["envelope"] = envelope
        return recorded

    @cached_property
    def envelope(self) -> dict[str, Any]:
        return cast(dict[str, Any], json.loads(self.body))

    @cached_property
    def event_id(self) -> UUID:
        return UUID(self.envelope["id"])

    @property
    def stream(self) -> str:
        return str(self.envelope["subject"])

    @property
    def version(self) -> int:
        return int(self.envelope["streamversion"])

    @property
    def type(self) -> str:
        return str(self.envelope["type"])

    @property
    def schema_version(self) -> int:
        return int(self.envelope["dataschema"].rsplit("/", 1)[1])

    @property
    def publisher(self) -> str:
        return str(self.envelope["source"]).removeprefix("/services/")

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self.envelope["time"])

    @property
    def data(self) -> dict[str, Any]:
        return cast(dict[str, Any], self.envelope["data"])

    @property
    def contract(self) -> Contract:
        return contract_for(self.type, self.schema_version)

    def sealed(self, field: str) -> str | None:
        """The sealed value of a personal field as JSON text, for a projection to keep; None if it is absent."""
        value = self.data.get(field)
        return None if value is None else canonical_json(value).decode()

    def open(self, keyring: Keyring) -> Any:
        """The typed event in the newest version of its contract; what cannot be read any more is `ERASED`."""
        return load_event(self.type, self.schema_version, open_fields(self.data, keyring))

    def unopened(self) -> Any:
        """The typed event in the newest version of its contract, with every personal value `ERASED`: no key is used."""
        closed = {name: ERASED if is_sealed(value) else value for name, value in self.data.items()}
        return load_event(self.type, self.schema_version, closed)


def record(
    event: Event,
    contract: Contract,
    *,
    event_id: UUID,
    stream: str,
    version: int,
    now: datetime,
    circumstances: Circumstances,
    keyring: Keyring,
    workspace: UUID | None = None,
) -> Recorded:
    """Validates, seals and canonicalises an event: the one time in its life.

    Raises `InvalidEvent` if the contract does not admit it, and `Problem("subject-erased")` if it holds personal data
    of someone who was erased.
    """
    data = contract.dump(event)
    for name, spec in contract.personal_fields.items():
        if name in data:
            assert spec.category is not None
            assert spec.subject_field is not None
            whose = UUID(data[spec.subject_field])
            scope = spec.category.scope(now, data)
            data[name] = seal_value(
                data[name], keyring, spec.category, scope, subject=whose, field=name, event_id=event_id
            ).to_json()
    return enveloped(
        data, contract, event_id, stream, version, time=rfc3339(now), circumstances=circumstances, workspace=workspace
    )


def enveloped(
    data: dict[str, Any],
    contract: Contract,
    event_id: UUID,
    stream: str,
    version: int,
    *,
    time: str,
    circumstances: Circumstances,
    workspace: UUID | None,
) -> Recorded:
    """The event that these parts make; the same parts make the same bytes, whenever it is."""
    envelope = {
        "specversion": "1.0",
        "id": str(event_id),
        "source": source_of(contract.publisher),
        "type": contract.type,
        "subject": stream,
        "time": time,
        "datacontenttype": "application/json",
        "dataschema": contract.dataschema,
        "data": data,
        "streamversion": version,
        "actor": circumstances.actor,
        "correlationid": circumstances.correlation_id,
        "causationid": circumstances.causation_id,
        "workspace": str(workspace) if workspace else None,
        "datasubjects": ",".join(map(str, contract.subjects(data))) or None,
    }
    present = {name: value for name, value in envelope.items() if value is not None}
    return Recorded.parsed(canonical_json(present), present)


def source_of(publisher: str) -> str:
    """The CloudEvents `source` of a publisher's events."""
    return f"/services/{publisher}"


def seal_value(
    value: Any, keyring: Keyring, category: Category, scope: str, *, subject: UUID, field: str, event_id: UUID
) -> Sealed:
    """A JSON value sealed under its person's key. Raises `Problem("subject-erased")` if that was destroyed."""
    key = keyring.key_for_sealing(subject, category, scope)
    return seal(
        canonical_json(value),
        key.secret,
        key_id=key.id,
        category=category,
        subject=subject,
        field=field,
        event_id=event_id,
    )


def open_value(sealed: str, keyring: Keyring) -> Any:
    """The value of what `Recorded.sealed` gave to keep, or `ERASED`. Raises what `open_fields` raises."""
    return open_fields({"value": json.loads(sealed)}, keyring)["value"]


def readable_values(sealed: Sequence[str], keyring: Keyring) -> list[Any]:
    """The values of what `Recorded.sealed` gave to keep, for which the keyring is asked once; None for the erased.

    Raises what `open_fields` raises.
    """
    opened = open_fields({str(number): json.loads(each) for number, each in enumerate(sealed)}, keyring)
    return [None if value is ERASED else value for value in opened.values()]


def open_fields(data: Mapping[str, Any], keyring: Keyring) -> dict[str, Any]:
    """The same fields with every sealed value opened, or `ERASED` where its key has been destroyed.

    Raises `UnknownKey` or `SealBroken` if the data and the keyring do not belong together.
    """
    sealed = {name: Sealed.from_json(value) for name, value in data.items() if is_sealed(value)}
    keys = keyring.keys_for_reading(value.key_id for value in sealed.values())
    opened = dict(data)
    for name, value in sealed.items():
        key = keys[value.key_id]
        opened[name] = ERASED if key is None else json.loads(unseal(value, key.secret))
    return opened
