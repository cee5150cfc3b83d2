"""The stored bytes travel unchanged inside the message."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.envelope import NotAnEvent, from_wire, routing_key, to_wire
from shared.eventstore.canonical import canonical_json
from shared.eventstore.recorded import Recorded
from shared.eventstore.store import FeedEntry

positions = st.integers(1, 2**31 - 1)
bodies = st.dictionaries(
    st.from_regex("[a-z]{1,8}", fullmatch=True), st.text(st.characters(exclude_categories=["Cs"])), min_size=1
).map(canonical_json)


@given(positions, positions, bodies)
def test_an_entry_comes_out_as_it_went_in(epoch, position, body):
    entry = FeedEntry(epoch, position, body)
    assert from_wire(to_wire(entry)) == entry


@given(positions, positions, bodies)
def test_the_message_is_json_with_the_feed_attributes(epoch, position, body):
    message = json.loads(to_wire(FeedEntry(epoch, position, body)))
    assert (message["feedepoch"], message["feedposition"]) == (epoch, position)


def test_a_value_that_looks_like_feed_attributes_stays_a_value():
    body = canonical_json({"data": '","feedepoch":9,"feedposition":9}'})
    assert from_wire(to_wire(FeedEntry(1, 2, body))) == FeedEntry(1, 2, body)


@pytest.mark.parametrize("message", [b"", b"{}", b"hello", b'{"a":1,"feedepoch":0,"feedposition":1}', b'{"a":1}'])
def test_a_foreign_message_is_recognised(message):
    with pytest.raises(NotAnEvent):
        from_wire(message)


def test_the_routing_key_is_the_name_of_the_event():
    assert routing_key(Recorded(b'{"type":"okacrm.identity.consent_granted"}')) == "consent_granted"
