"""The catalogue of all events, for those who subscribe: an AsyncAPI 3.0 document, made from the contracts.

https://www.asyncapi.com/docs/reference/specification/v3.0.0, with the bindings of AMQP 0-9-1 in their version 0.3.0.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from shared.contracts.events import CONTENT_TYPE, Contract, contracts, newest_contract
from shared.contracts.fields import FieldSpec
from shared.contracts.json_schemas import (
    EXAMPLE_ID,
    EXAMPLE_INSTANT,
    ID,
    INSTANT,
    SEALED,
    JsonSchema,
    example_of,
    schema_of,
    sealed_example,
)
from shared.contracts.services import PUBLISHERS

BINDINGS_VERSION = "0.3.0"

DESCRIPTION = """\
Everything that happens in a service of Okacrm is published as an event: a CloudEvents 1.0 envelope in JSON (structured
mode), persistent, on the topic exchange of the service, with the event's name as routing key. The events of a service
form one feed without holes. Delivery is at least once; by `feedposition` and `feedprevious` a reader sees what is
missing or came twice.

Fields that come to an existing version are optional, and vocabularies may grow: ignore members that you do not know,
and expect words that you do not know. What must change otherwise comes as another version of the schema.

A message with `x-superseded` has a newer version. It is not recorded any more; those that were stay as they are.

Personal values are sealed objects, marked with `x-category` (the category of data), `x-subject` (the field that names
the person) and `x-opened` (what is in it). A field marked with `x-names-a-person` holds the random id of a person.
"""

ENVELOPE: JsonSchema = {
    "type": "object",
    "description": "A CloudEvents 1.0 envelope with the extensions of Okacrm.",
    "required": [
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "datacontenttype",
        "dataschema",
        "data",
        "streamversion",
        "actor",
        "correlationid",
        "feedepoch",
        "feedposition",
    ],
    "properties": {
        "specversion": {"type": "string", "const": "1.0"},
        "id": ID | {"description": "The event (UUIDv7); also the id of its record in the audit log."},
        "source": {"type": "string", "description": "`/services/` and the publisher."},
        "type": {"type": "string", "description": "`okacrm.`, the publisher and the event's name."},
        "subject": {"type": "string", "description": "The stream: kind of aggregate and id. No person."},
        "time": INSTANT | {"description": "When it happened, in UTC with microseconds."},
        "datacontenttype": {"type": "string", "const": "application/json"},
        "dataschema": {"type": "string", "format": "uri", "description": "Names the version of the schema."},
        "data": {"type": "object", "description": "The fields. One that is optional and has no value is absent."},
        "streamversion": {"type": "integer", "minimum": 1, "description": "Its number within the stream."},
        "actor": {"type": "string", "description": "Who did it: kind and id, or `visitor` or `operator`."},
        "correlationid": {"type": "string", "description": "The request it came from."},
        "causationid": {"type": "string", "description": "The command it came from."},
        "datasubjects": {"type": "string", "description": "The people it is about, comma-separated; absent if nobody."},
        "workspace": ID | {"description": "The workspace that the stream belongs to, if any."},
        "feedepoch": {"type": "integer", "minimum": 1, "description": "One unbroken history of the feed."},
        "feedposition": {"type": "integer", "minimum": 1, "description": "The place in the feed, without holes."},
        "feedprevious": ID | {"description": "The event at the place before; absent at the first."},
    },
}


def published_contracts() -> list[Contract]:
    """The contract of every version of every event that is published, by publisher, name and version."""
    for publisher in PUBLISHERS:
        import_module(f"shared.contracts.{publisher}")
    return [contract for contract in contracts() if contract.event_class.__module__.startswith("shared.contracts.")]


def asyncapi_document(published: Sequence[Contract]) -> dict[str, Any]:
    """The document that describes these events to people and to tools."""
    publishers = sorted({contract.publisher for contract in published})
    return {
        "asyncapi": "3.0.0",
        "id": "https://okacrm.net/events",
        "info": {"title": "Events of Okacrm", "version": "1", "description": DESCRIPTION},
        "defaultContentType": CONTENT_TYPE,
        "channels": {publisher: _channel(publisher, published) for publisher in publishers},
        "operations": {f"publish-{publisher}": _operation(publisher) for publisher in publishers},
        "components": {
            "messages": {_key(contract): _message(contract) for contract in published},
            "schemas": {"envelope": ENVELOPE, "sealed": SEALED},
        },
    }


def description_of(contract: Contract) -> str:
    """What an event means: the docstring of its class."""
    return inspect.getdoc(contract.event_class) or ""


def is_superseded(contract: Contract) -> bool:
    """Whether there is a newer version, under which the event is recorded now."""
    return contract is not newest_contract(contract.type)


def _channel(publisher: str, published: Sequence[Contract]) -> dict[str, Any]:
    exchange = f"{publisher}.events"
    return {
        "address": exchange,
        "title": f"The feed of {publisher}",
        "description": "Bind a queue of your own: with the names of events as routing keys, or with `#` for the feed.",
        "messages": {
            _key(contract): {"$ref": f"#/components/messages/{_key(contract)}"}
            for contract in published
            if contract.publisher == publisher
        },
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": exchange, "type": "topic", "durable": True, "autoDelete": False},
                "bindingVersion": BINDINGS_VERSION,
            }
        },
    }


def _operation(publisher: str) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{publisher}"},
        "summary": f"What {publisher} publishes, in the order of its feed.",
        "bindings": {"amqp": {"deliveryMode": 2, "bindingVersion": BINDINGS_VERSION}},
    }


def _key(contract: Contract) -> str:
    return f"{contract.publisher}.{contract.name}.{contract.version}"


def _message(contract: Contract) -> dict[str, Any]:
    description = description_of(contract)
    return {
        "name": contract.type,
        "title": f"{contract.name}, version {contract.version}",
        "summary": description.partition("\n\n")[0].replace("\n", " "),
        "description": description,
        "x-superseded": is_superseded(contract),
        "contentType": CONTENT_TYPE,
        "correlationId": {"location": "$message.payload#/correlationid"},
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/envelope"},
                {
                    "properties": {
                        "source": {"const": f"/services/{contract.publisher}"},
                        "type": {"const": contract.type},
                        "dataschema": {"const": contract.dataschema},
                        "data": data_schema(contract),
                    }
                },
            ]
        },
        "bindings": {"amqp": {"messageType": contract.name, "bindingVersion": BINDINGS_VERSION}},
        "examples": [{"name": contract.name, "payload": _example(contract)}],
    }


def data_schema(contract: Contract) -> JsonSchema:
    """The fields of an event as they are sent, as JSON Schema."""
    return {
        "type": "object",
        "required": [name for name, spec in contract.fields.items() if spec.wire.required],
        "properties": {name: _property(spec) for name, spec in contract.fields.items()},
    }


def _property(spec: FieldSpec) -> JsonSchema:
    if spec.is_subject:
        return schema_of(spec.wire) | {"x-names-a-person": True}
    if spec.category is None:
        return schema_of(spec.wire)
    return {
        # Whatever stands beside a $ref does not count in draft 07.
        "allOf": [{"$ref": "#/components/schemas/sealed"}],
        "x-category": spec.category.value,
        "x-subject": spec.subject_field,
        "x-opened": schema_of(spec.wire),
    }


def _example(contract: Contract) -> dict[str, Any]:
    data = {
        name: sealed_example(spec.category, name) if spec.category else example_of(spec.wire)
        for name, spec in contract.fields.items()
    }
    people = {"datasubjects": EXAMPLE_ID} if contract.subject_fields else {}
    return {
        "actor": f"influencer:{EXAMPLE_ID}",
        "causationid": EXAMPLE_ID,
        "correlationid": EXAMPLE_ID,
        "data": data,
        "datacontenttype": "application/json",
        "dataschema": contract.dataschema,
        **people,
        "id": EXAMPLE_ID,
        "source": f"/services/{contract.publisher}",
        "specversion": "1.0",
        "streamversion": 1,
        "subject": f"{contract.name.partition('_')[0]}-{EXAMPLE_ID}",
        "time": EXAMPLE_INSTANT,
        "type": contract.type,
        "feedepoch": 1,
        "feedposition": 1,
    }
