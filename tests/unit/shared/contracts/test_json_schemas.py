"""A field as JSON Schema admits what the field admits, and its example is such a value."""

from __future__ import annotations

import jsonschema
import pytest
from marshmallow import Schema, ValidationError, fields
from marshmallow.validate import Length, OneOf, Range, Regexp

from shared.contracts.json_schemas import example_of, schema_of
from shared.contracts.times import Moment


class Address(Schema):
    """A part of an event."""

    street = fields.String(required=True, validate=Length(1, 20), metadata={"example": "Rue de la Paix"})
    number = fields.Integer(validate=Range(min=1))


FIELDS = {
    "id": fields.UUID(required=True),
    "time": Moment(),
    "word": fields.String(validate=OneOf(["one", "two"])),
    "words": fields.List(fields.String(validate=OneOf(["one", "two"]))),
    "short": fields.String(validate=Length(equal=2)),
    "long": fields.String(validate=Length(30, 40)),
    "code": fields.String(validate=Regexp(r"[a-z]+\Z"), metadata={"example": "abc"}),
    "codes": fields.List(fields.String(validate=Regexp(r"[a-z]+\Z"), metadata={"example": "abc"})),
    "count": fields.Integer(validate=Range(min=7)),
    "truth": fields.Boolean(),
    "address": fields.Nested(Address),
    "addresses": fields.List(fields.Nested(Address), validate=Length(min=2)),
}

by_field = pytest.mark.parametrize("name", FIELDS)


@by_field
def test_an_example_is_admitted_by_the_field_and_by_its_schema(name: str) -> None:
    example = example_of(FIELDS[name])
    jsonschema.Draft7Validator(schema_of(FIELDS[name])).validate(example)
    FIELDS[name].deserialize(example)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("word", "three"),
        ("words", ["three"]),
        ("short", "abc"),
        ("code", "1abc"),
        ("code", "abc1"),
        ("codes", ["1abc"]),
        ("count", 6),
        ("address", {"number": 1}),
        ("address", {"street": "", "number": 1}),
    ],
)
def test_what_a_field_refuses_its_schema_refuses(name: str, value: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema_of(FIELDS[name])).validate(value)
    with pytest.raises(ValidationError):
        FIELDS[name].deserialize(value)


@by_field
def test_a_schema_says_nothing_that_is_no_promise(name: str) -> None:
    assert "example" not in str(schema_of(FIELDS[name]))
