"""The catalogue of all events as a page to read, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from shared.contracts.catalogue import description_of, is_superseded
from shared.contracts.events import Contract
from shared.contracts.fields import FieldSpec
from shared.contracts.json_schemas import JsonSchema, schema_of

_PREFACE = """\
# The catalogue of events

Made from the contracts by `make contracts`; a test fails while this page differs from them. The gateway serves the same
as an AsyncAPI 3 document under `/asyncapi.json`, with a schema and an example of each message. How to receive events is
in [subscribing.md](subscribing.md), and what holds for all of them in [events.md](events.md).

A field names a person by a random id (*subject*), is *public*, or is *personal*: then it comes sealed, and the category
of data and the field that names its person are said. What is written of a personal field holds for the value that is
sealed.
"""


def catalogue_page(published: Sequence[Contract]) -> str:
    """A section for each publisher, and in it a table of fields for each version of each event."""
    return "\n".join((_PREFACE, *_sections(published)))


def _sections(published: Sequence[Contract]) -> Iterator[str]:
    publisher = ""
    for contract in published:
        if contract.publisher != publisher:
            publisher = contract.publisher
            yield f"## {publisher}\n"
        yield f"### {contract.type}, version {contract.version}\n"
        if is_superseded(contract):
            yield "*Superseded by a newer version. It is not recorded any more; those that were stay as they are.*\n"
        yield description_of(contract) + "\n"
        yield _row(("field", "", "holds", "must be there"))
        yield "|---" * 4 + "|"
        for name, spec in contract.fields.items():
            yield _row((f"`{name}`", _kind(spec), _holds(schema_of(spec.wire)), "yes" if spec.wire.required else ""))
        yield ""


def _kind(spec: FieldSpec) -> str:
    if spec.is_subject:
        return "subject"
    if spec.category is None:
        return "public"
    return f"personal: {spec.category.value}, of `{spec.subject_field}`"


def _holds(schema: JsonSchema) -> str:
    """What a value may be, in words."""
    if "enum" in schema:
        return "one of " + ", ".join(f"`{word}`" for word in schema["enum"])
    kind = schema.get("type", "object")
    if kind == "array":
        return f"a list, each {_holds(schema['items'])}"
    words = {"uuid": "an id", "date-time": "a time", "email": "an e-mail address"}.get(schema.get("format", ""))
    return (words or _KINDS[kind]) + _bounds(schema)


_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
}


def _bounds(schema: JsonSchema) -> str:
    shortest, longest = schema.get("minLength"), schema.get("maxLength")
    if longest is not None:
        return f" of {longest} characters" if shortest == longest else f" of at most {longest} characters"
    if "minimum" in schema:
        return f" from {schema['minimum']}"
    return ""


def _row(cells: Iterable[Any]) -> str:
    return f"| {' | '.join(cells)} |"
