"""What was promised to those who read events, and whether the contracts of this code still keep it.

A published field keeps its name, its meaning and its place among the public, personal and subject fields for as long as
there are events that have it, which is for ever. What may come to an existing version are optional fields and further
words of a vocabulary. Everything else is another version, beside which the one before stays readable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from shared.contracts.events import Contract
from shared.contracts.json_schemas import JsonSchema, schema_of
from shared.privacy.fields import FieldSpec

Promises = dict[str, dict[str, Any]]
"""For each version of each event, by its `dataschema`: its fields, and what was said of each."""

_LOWER_BOUNDS = ("minLength", "minimum", "exclusiveMinimum", "minItems")
_UPPER_BOUNDS = ("maxLength", "maximum", "exclusiveMaximum", "maxItems")
_FIXED = ("format", "pattern", "contentEncoding")


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


def broken_promises(
    published: Promises, present: Promises, is_readable: Callable[[str], bool] = lambda dataschema: False
) -> list[str]:
    """What was `published` and does not hold at `present`, a sentence each.

    A version that is no longer declared breaks nothing if it `is_readable` all the same: upcast to a later one.
    """
    return [
        f"{dataschema}: {complaint}"
        for dataschema, fields in published.items()
        for complaint in _complaints(fields, present.get(dataschema), readable=is_readable(dataschema))
    ]


def _complaints(
    published: Mapping[str, Any], present: Mapping[str, Any] | None, *, readable: bool
) -> Iterator[str]:
    if present is None:
        if not readable:
            yield "was published and can no longer be read; declare it again, or an upcaster from it"
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
