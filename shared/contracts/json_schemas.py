"""The fields of events as JSON Schema (draft 07, which AsyncAPI builds on), and values that satisfy it."""

from __future__ import annotations

from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import fields

from shared.contracts.categories import Category

JsonSchema = dict[str, Any]

EXAMPLE_ID = "019abf2e-5c1d-7a40-9c52-7d1f0a3b6e11"
EXAMPLE_INSTANT = "2026-11-24T09:30:00.000000Z"
EXAMPLE_CIPHERTEXT = "rjkVNlccb+c59gGbjY0uhGROY6D76D6st5oc4ojT12j3kw8s+gBv3lxz"

ID: JsonSchema = {"type": "string", "format": "uuid"}
INSTANT: JsonSchema = {"type": "string", "format": "date-time"}
SEALED: JsonSchema = {
    "type": "object",
    "description": (
        "A personal value that only services of the platform can open, and nobody once its key was destroyed."
    ),
    "required": ["category", "ciphertext", "event", "field", "key", "subject"],
    "properties": {
        "category": {"type": "string", "enum": [category.value for category in Category]},
        "ciphertext": {"type": "string", "contentEncoding": "base64"},
        "event": ID | {"description": "The event that carried it first."},
        "field": {"type": "string", "description": "Its name there."},
        "key": ID,
        "subject": ID | {"description": "The person whose value it is."},
    },
}

_plugin = MarshmallowPlugin(schema_name_resolver=lambda schema: "")  # nested schemas stand where they are used
APISpec("", "", "3.1.0", plugins=[_plugin])  # a plugin works from when it belongs to a document


def schema_of(wire: fields.Field[Any]) -> JsonSchema:
    """What a field may hold, as JSON Schema."""
    return _in_draft_07(_converted(wire))


def example_of(wire: fields.Field[Any]) -> Any:
    """A value of a field: the `example` of its metadata, or else one made from its schema."""
    return _example(_converted(wire))


def _converted(wire: fields.Field[Any]) -> JsonSchema:
    assert _plugin.converter is not None
    schema: JsonSchema = _plugin.converter.field2property(wire)
    return schema


def _in_draft_07(schema: JsonSchema) -> JsonSchema:
    """The schema without examples, and with patterns that match from the beginning to the end, as marshmallow's do."""
    clean = {name: value for name, value in schema.items() if name != "example"}
    if "pattern" in clean:
        pattern = clean["pattern"].removesuffix(r"\Z")
        clean["pattern"] = f"^(?:{pattern})$"
    if "items" in clean:
        clean["items"] = _in_draft_07(clean["items"])
    if "properties" in clean:
        clean["properties"] = {name: _in_draft_07(member) for name, member in clean["properties"].items()}
    return clean


def sealed_example(category: Category, field: str) -> dict[str, str]:
    """A sealed value of a field."""
    return {
        "category": category.value,
        "ciphertext": EXAMPLE_CIPHERTEXT,
        "event": EXAMPLE_ID,
        "field": field,
        "key": EXAMPLE_ID,
        "subject": EXAMPLE_ID,
    }


def _example(schema: JsonSchema) -> Any:
    if "example" in schema:
        return schema["example"]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    match kind if isinstance(kind, str) else kind[0]:
        case "string":
            return _example_text(schema)
        case "integer":
            return max(1, schema.get("minimum", 1))
        case "number":
            return schema.get("minimum", 0.5)
        case "boolean":
            return True
        case "array":
            return [_example(schema.get("items", {}))] * schema.get("minItems", 1)
        case _:
            return {name: _example(member) for name, member in schema.get("properties", {}).items()}


def _example_text(schema: JsonSchema) -> str:
    known = {"uuid": EXAMPLE_ID, "date-time": EXAMPLE_INSTANT, "email": "ada@example.org", "date": "2026-11-24"}
    if schema.get("format") in known:
        return known[schema["format"]]
    return "text"[: schema.get("maxLength", 4)].ljust(schema.get("minLength", 0), "x")
