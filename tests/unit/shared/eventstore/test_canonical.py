"""Canonical JSON is RFC 8785 for what an event may hold, and nothing else is admitted."""

from __future__ import annotations

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from shared.eventstore.canonical import NotCanonical, canonical_json, parse_canonical

texts = st.text(st.characters(exclude_categories=["Cs"]))
keys = st.text(st.characters(max_codepoint=127))
scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=30)


@given(values)
def test_the_bytes_are_those_of_rfc_8785(value):
    assert canonical_json(value) == rfc8785.dumps(value)


@given(values)
def test_what_was_written_is_read_back(value):
    assert parse_canonical(canonical_json(value)) == value


@pytest.mark.parametrize(
    "value",
    [1.5, float("nan"), 2**53, -(2**53), {"ключ": 1}, {1: 2}, "\ud800", ["\udfff"], object(), b"bytes", {"a": {1, 2}}],
)
def test_what_has_no_single_form_is_refused(value):
    with pytest.raises(NotCanonical):
        canonical_json(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"a": 1}',
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b"1.0",
        b'"\\u0041"',
        b'{"a":1}\n',
        b"\xff",
        b"NaN",
        b"[" * 100_000,
    ],
)
def test_other_bytes_for_the_same_value_are_refused(data):
    with pytest.raises(NotCanonical):
        parse_canonical(data)


def test_a_refusal_does_not_show_the_value():
    with pytest.raises(NotCanonical) as refusal:
        canonical_json({"secret": 3.14159})
    assert "3.14" not in str(refusal.value)
    assert json.dumps("secret") not in str(refusal.value)
