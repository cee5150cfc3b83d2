"""The three kinds of field an event may have: a subject, public data, and personal data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from marshmallow import fields

from shared.contracts.categories import Category

_SPEC = "okacrm.field"


@dataclass(frozen=True)
class FieldSpec:
    """What one field of an event is: how it is written as JSON, and, if personal, of which category and whose."""

    wire: fields.Field[Any]
    is_subject: bool = False
    category: Category | None = None
    subject_field: str | None = None


class Erased:
    """What a personal value reads as once its key has been destroyed. There is one, `ERASED`."""

    def __repr__(self) -> str:
        return "ERASED"


ERASED = Erased()


def subject(*, optional: bool = False) -> Any:
    """A field that names a natural person whom the event is about, by random id."""
    return _declare(FieldSpec(fields.UUID(required=not optional), is_subject=True))


def public(wire: fields.Field[Any]) -> Any:
    """A field without personal data: an id, a number, a time, a truth value or a word of a closed vocabulary."""
    return _declare(FieldSpec(wire))


def personal(wire: fields.Field[Any], category: Category, *, of: str) -> Any:
    """A field with personal data of `category`, about the person named by the field `of`.

    The value is sealed at append and reads as `ERASED` once its key has been destroyed.
    """
    return _declare(FieldSpec(wire, category=category, subject_field=of))


def spec_of(field: dataclasses.Field[Any]) -> FieldSpec:
    """What was declared of this field of an event class. Raises `TypeError` if nothing was."""
    try:
        spec: FieldSpec = field.metadata[_SPEC]
    except KeyError:
        raise TypeError(f"field {field.name} is neither subject() nor public() nor personal()") from None
    return spec


def _declare(spec: FieldSpec) -> Any:
    metadata = {_SPEC: spec}
    if spec.wire.required:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=None, metadata=metadata)
