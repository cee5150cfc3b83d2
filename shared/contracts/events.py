"""Event classes: each is at once the typed value, its marshmallow schema and its declaration of privacy.

    @event(version=1)
    class ConsentWithdrawn:
        \"\"\"A person took back a consent.\"\"\"

        account_id: UUID = subject()
        purpose: str = public(fields.String(required=True, validate=OneOf(PURPOSES)))

The wire name is the class name in snake case, and the publisher is the service whose contracts the module declares
(`shared.contracts.services`): `okacrm.identity.consent_withdrawn`.

A version that a newer one took the place of stays declared, as `ConsentGrantedV1`, since what was recorded under it is
never written again. An upcaster says what it means in the next version, and readers see the newest one only:

    @upcast(ConsentGranted, from_version=1)
    def say_what_was_shown(data: Data) -> Data:
        \"\"\"There was one wording then.\"\"\"
        return {**data, "wording_version": "2026-11-01"}
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Protocol, TypeVar, cast, dataclass_transform
from uuid import UUID

from marshmallow import Schema, fields

from shared.contracts.categories import Category
from shared.contracts.fields import ERASED, FieldSpec, personal, public, spec_of, subject
from shared.contracts.services import publisher_of
from shared.contracts.times import Moment

CONTENT_TYPE = "application/cloudevents+json"
"""What an event is on the wire: a CloudEvents 1.0 envelope in JSON, structured mode."""


class Event(Protocol):
    """Any class made by `@event`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


class InvalidEvent(ValueError):
    """An event with values that its own contract does not admit: the names of their fields, never the values."""

    def __init__(self, event_type: str, fields: Iterable[str]) -> None:
        self.fields = sorted(fields)
        super().__init__(f"{event_type}: {', '.join(self.fields)}")


@dataclass(frozen=True)
class Contract:
    """What is known of one version of one event."""

    publisher: str
    name: str
    version: int
    event_class: type[Any]
    fields: Mapping[str, FieldSpec]
    erases: str | None = None
    """The subject field that names whose keys were destroyed before the event was recorded, if it tells of that."""

    @property
    def type(self) -> str:
        """The CloudEvents `type`."""
        return f"okacrm.{self.publisher}.{self.name}"

    @property
    def dataschema(self) -> str:
        """The CloudEvents `dataschema`: names this version of this contract."""
        return f"https://okacrm.net/schemas/{self.publisher}/{self.name}/{self.version}"

    @cached_property
    def personal_fields(self) -> dict[str, FieldSpec]:
        return {name: spec for name, spec in self.fields.items() if spec.category is not None}

    @cached_property
    def subject_fields(self) -> tuple[str, ...]:
        return tuple(name for name, spec in self.fields.items() if spec.is_subject)

    @cached_property
    def _schema(self) -> Schema:
        return Schema.from_dict({name: spec.wire for name, spec in self.fields.items()}, name=self.type)()

    def dump(self, event: Event) -> dict[str, Any]:
        """The event's fields as JSON values, personal ones in the clear; absent optional fields are left out.

        Raises `InvalidEvent` if the values do not satisfy the contract.
        """
        data = cast(dict[str, Any], self._schema.dump(event))
        data = {name: value for name, value in data.items() if value is not None}
        errors = self._schema.validate(data)
        if errors:
            raise InvalidEvent(self.type, errors)
        return data

    def load(self, data: Mapping[str, Any]) -> Any:
        """The typed event from JSON values, in which a destroyed personal value is `ERASED`.

        The values were validated when the event was recorded, and are only turned into their types here. Raises
        `InvalidEvent` if a required one is missing or unknown to this contract.
        """
        try:
            return self.event_class(**{name: self._readers[name](value) for name, value in data.items()})
        except (KeyError, TypeError):
            missing = [name for name, spec in self.fields.items() if spec.wire.required and name not in data]
            raise InvalidEvent(self.type, missing or set(data) - set(self.fields)) from None

    @cached_property
    def _readers(self) -> dict[str, Callable[[Any], Any]]:
        return {name: _reader(spec) for name, spec in self.fields.items()}

    def subjects(self, data: Mapping[str, Any]) -> list[UUID]:
        """The people this event is about, in the order of their fields."""
        return [UUID(data[name]) for name in self.subject_fields if name in data]

    def erasure(self, data: Mapping[str, Any]) -> tuple[UUID, Category | None] | None:
        """Return whose keys the event says were destroyed, and of which category; None if it tells of no such thing.

        Without a category they were those of the person as a whole.
        """
        if self.erases is None:
            return None
        category = data.get(ERASED_CATEGORY)
        return UUID(data[self.erases]), Category(category) if category else None


def _reader(spec: FieldSpec) -> Callable[[Any], Any]:
    """How a JSON value of this field becomes its Python value."""
    convert: Callable[[Any], Any] | None = None
    if isinstance(spec.wire, fields.UUID):
        convert = UUID
    elif isinstance(spec.wire, Moment):
        convert = datetime.fromisoformat
    if convert is None:
        return lambda value: value
    return lambda value: value if value is ERASED else convert(value)


ERASED_CATEGORY = "category"
"""The field in which an event that tells of an erasure names the category, where it was not the whole person."""

Data = Mapping[str, Any]
"""The fields of an event as JSON values, in which a destroyed personal value is `ERASED`."""
Upcaster = Callable[[Data], Data]

_BY_CLASS: dict[type[Any], Contract] = {}
_BY_TYPE: dict[tuple[str, int], Contract] = {}
_NEWEST: dict[str, Contract] = {}
_UPCASTERS: dict[tuple[str, int], Upcaster] = {}

E = TypeVar("E")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(subject, public, personal))
def event(*, version: int, erases: str | None = None) -> Callable[[type[E]], type[E]]:
    """Declares a class of `shared.contracts.<service>` as version `version` of the event it is named after.

    The newest version has the name of the event; older ones end in theirs, such as `V1`. An event which tells that keys
    of a person were destroyed names the field of that person in `erases`; its name, and no other's, ends in `Erased`.
    Whoever keeps sealed values deletes theirs by that declaration.
    """

    def declare(cls: type[E]) -> type[E]:
        typed = dataclass(frozen=True, kw_only=True)(cls)
        contract = Contract(
            publisher=publisher_of(cls.__module__),
            name=re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__.removesuffix(f"V{version}")).lower(),
            version=version,
            event_class=typed,
            fields={field.name: spec_of(field) for field in dataclasses.fields(cast(Any, typed))},
            erases=erases,
        )
        _check_subjects(contract)
        _check_erasure(contract)
        _BY_CLASS[typed] = contract
        _BY_TYPE[contract.type, version] = contract
        _NEWEST[contract.type] = max(contract, _NEWEST.get(contract.type, contract), key=lambda each: each.version)
        return typed

    return declare


def contract_of(event_class: type[Any]) -> Contract:
    """The contract of an event class. Raises `KeyError` for any other class."""
    return _BY_CLASS[event_class]


def contract_for(event_type: str, version: int) -> Contract:
    """The contract of a CloudEvents `type` at a schema version. Raises `KeyError` if this code does not know it."""
    return _BY_TYPE[event_type, version]


def contracts() -> list[Contract]:
    """Every contract that has been imported, by type and version."""
    return [_BY_TYPE[key] for key in sorted(_BY_TYPE)]


def versions_of(event_type: str) -> list[Contract]:
    """The contracts of a CloudEvents `type`, oldest first."""
    return [contract for contract in contracts() if contract.type == event_type]


def newest_contract(event_type: str) -> Contract:
    """The contract under which events of a CloudEvents `type` are recorded now. Raises `KeyError` if there is none."""
    return _NEWEST[event_type]


def upcast(event_class: type[Any], *, from_version: int) -> Callable[[Upcaster], Upcaster]:
    """Declares what the data of an older version of an event says in the version after it.

    The function is pure, and accepts `ERASED` for every personal value. It is also given data that has no personal
    values at all, as the leaves of the audit log.
    """

    def register(upcaster: Upcaster) -> Upcaster:
        _UPCASTERS[contract_of(event_class).type, from_version] = upcaster
        return upcaster

    return register


def upcaster_of(contract: Contract) -> Upcaster | None:
    """What turns data of this version into that of the next; None if there is nothing that does."""
    return _UPCASTERS.get((contract.type, contract.version))


def upcasted(event_type: str, version: int, data: Data) -> Data:
    """What data that was recorded under a version says in the newest one; of an unknown type or version, the same."""
    while (upcaster := _UPCASTERS.get((event_type, version))) is not None:
        data, version = upcaster(data), version + 1
    return data


def load_event(event_type: str, version: int, data: Data) -> Any:
    """The typed event of the newest version. Raises what `contract_for` and `Contract.load` raise."""
    contract_for(event_type, version)
    return newest_contract(event_type).load(upcasted(event_type, version, data))


def _check_subjects(contract: Contract) -> None:
    for name, spec in contract.personal_fields.items():
        whose = contract.fields.get(spec.subject_field or "")
        if whose is None or not whose.is_subject:
            raise TypeError(f"{contract.type}: {name} is personal, but {spec.subject_field} is not a subject()")


def _check_erasure(contract: Contract) -> None:
    """Holds the name and the declaration of an erasure together, so that neither comes without the other."""
    if contract.name.endswith("_erased") != (contract.erases is not None):
        raise TypeError(f"{contract.type}: an event that tells of an erasure is called …Erased and says what it erases")
    if contract.erases is not None and contract.erases not in contract.subject_fields:
        raise TypeError(f"{contract.type}: erases {contract.erases}, which is not a subject()")
