"""What was promised to those who read events, and whether the contracts of this code still keep it.

A published field keeps its name, its meaning and its place among the public, personal and subject fields for as long as
there are events that have it, which is for ever. What may come to an existing version are optional fields and further
words of a vocabulary. Everything else is another version, to which an upcaster leads from the one before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.contracts.events import Contract, newest_contract, upcaster_of
from shared.contracts.fields import FieldSpec
from shared.contracts.json_schemas import JsonSchema, schema_of

Promises = dict[str, dict[str, Any]]
"""For each version of each event, by its `dataschema`: its fields, and what was said of each."""

_LOWER_BOUNDS = ("minLength", "minimum", "exclusiveMinimum", "minItems")
_UPPER_BOUNDS = ("maxLength", "maximum", "exclusiveMaximum", "maxItems")
_FIXED = ("format", "pattern")


def promises_of(published: Sequence[Contract]) -> Promises:
    """What these contracts promise, as JSON values."""
    return {
        contract.dataschema: {name: _promise(spec) for name, spec in contract.fields.items()} for contract in published
    }


def _promise(spec: FieldSpec) -> dict[str, Any]:
    promise: dict[str, Any] = {
        "kind": "subject" if spec.is_subject else "personal" if spec.category else "public",
        "required": spec.wire.required,
        "schema": schema_of(spec.wire),
    }
    if spec.category is not None:
        promise |= {"category": spec.category.value, "of": spec.subject_field}
    return promise


def written(promises: Promises) -> str:
    """The promises as JSON with a line for each field, so that a change of one shows as such."""
    versions = []
    for dataschema, fields in sorted(promises.items()):
        lines = [f"  {json.dumps(name)}: {json.dumps(promise, sort_keys=True)}" for name, promise in fields.items()]
        versions.append(f" {json.dumps(dataschema)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(versions) + "\n}\n"


def broken_promises(published: Promises, present: Promises) -> list[str]:
    """What was `published` and does not hold at `present`, a sentence each."""
    return [
        f"{dataschema}: {complaint}"
        for dataschema, fields in published.items()
        for complaint in _complaints(fields, present.get(dataschema))
    ]


def stranded_versions(present: Sequence[Contract]) -> list[str]:
    """Versions that another one came after, and that are not read as it: a sentence each."""
    return [
        f"{contract.dataschema}: there is a later version, and no upcaster from this one to the next"
        for contract in present
        if contract is not newest_contract(contract.type) and upcaster_of(contract) is None
    ]


def _complaints(published: Mapping[str, Any], present: Mapping[str, Any] | None) -> Iterator[str]:
    if present is None:
        yield "was published and is gone; events that exist can no longer be read"
        return
    for name, before in published.items():
        if name not in present:
            yield f"the field {name} was published and is gone"
        else:
            yield from (f"the field {name} {complaint}" for complaint in _field_complaints(before, present[name]))
    for name in present.keys() - published.keys():
        if present[name]["required"]:
            yield f"the field {name} is new and required, which events that exist cannot satisfy; make it optional"


def _field_complaints(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    if before["kind"] != now["kind"]:
        yield f"was {before['kind']} and is {now['kind']}"
    elif before.get("category") != now.get("category"):
        yield f"was of the category {before['category']} and is of {now['category']}"
    elif before.get("of") != now.get("of"):
        yield f"was about the person in {before['of']} and is about the one in {now['of']}"
    if now["required"] and not before["required"]:
        yield "was optional and is required, which events that exist may not satisfy"
    if before["required"] and not now["required"]:
        yield "was always there and is optional, which readers do not expect"
    yield from _schema_complaints(before["schema"], now["schema"])


def _schema_complaints(before: JsonSchema, now: JsonSchema) -> Iterator[str]:
    """In which ways a value that was valid may not be valid any more, or means something else."""
    if missing := _types(before) - _types(now):
        yield f"could be of the type {', '.join(sorted(missing))} and cannot any more"
        return
    for name in _FIXED:
        if before.get(name) != now.get(name):
            yield f"had the {name} {before.get(name, 'of any kind')} and has {now.get(name, 'any')}"
    yield from _vocabulary_complaints(before, now)
    for name in (*_LOWER_BOUNDS, *_UPPER_BOUNDS):
        if _is_narrower(name, before.get(name), now.get(name)):
            yield f"had the {name} {before.get(name, 'of any size')} and has {now[name]}"
    if "items" in before:
        yield from (f"in its items {complaint}" for complaint in _schema_complaints(before["items"], now["items"]))
    for member, schema in before.get("properties", {}).items():
        if member not in now.get("properties", {}):
            yield f"had the member {member} and has it no more"
        else:
            inner = _schema_complaints(schema, now["properties"][member])
            yield from (f"in its member {member} {complaint}" for complaint in inner)
    if added := set(now.get("required", ())) - set(before.get("required", ())):
        yield f"now requires the members {', '.join(sorted(added))}"


def _types(schema: JsonSchema) -> set[str]:
    kind = schema.get("type", "object")
    return {kind} if isinstance(kind, str) else set(kind)


def _vocabulary_complaints(before: JsonSchema, now: JsonSchema) -> Iterator[str]:
    if "enum" not in now:
        return
    if "enum" not in before:
        yield "could be any word and is of a closed vocabulary now"
    elif missing := [str(word) for word in before["enum"] if word not in now["enum"]]:
        yield f"lost the words {', '.join(missing)}"


def _is_narrower(bound: str, before: float | None, now: float | None) -> bool:
    if now is None:
        return False
    if before is None:
        return True
    return now > before if bound in _LOWER_BOUNDS else now < before
