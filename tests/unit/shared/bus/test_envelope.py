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
previous = st.none() | st.uuids()
bodies = st.dictionaries(
    st.from_regex("[a-z]{1,8}", fullmatch=True), st.text(st.characters(exclude_categories=["Cs"]))
).map(lambda content: canonical_json({**content, "source": "/services/identity"}))
entries = st.builds(FeedEntry, positions, positions, previous, bodies.map(Recorded))


@given(entries)
def test_an_entry_comes_out_as_it_went_in(entry):
    assert from_wire("identity", to_wire(entry)) == entry


@given(entries)
def test_the_message_is_json_with_the_feed_attributes(entry):
    message = json.loads(to_wire(entry))
    assert (message["feedepoch"], message["feedposition"]) == (entry.epoch, entry.position)
    assert message.get("feedprevious") == (entry.previous and str(entry.previous))


def test_a_value_that_looks_like_feed_attributes_stays_a_value():
    body = canonical_json({"data": '","feedepoch":9,"feedposition":9}', "source": "/services/identity"})
    assert from_wire("identity", to_wire(FeedEntry(1, 2, None, Recorded(body)))) == FeedEntry(
        1, 2, None, Recorded(body)
    )


OTHERS = canonical_json({"source": "/services/billing"})
LOOSE = b'{"source": "/services/identity"}'


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{}",
        b"hello",
        b'{"a":1}',
        b'{"source":"/services/identity","feedepoch":0,"feedposition":1}',
        b'{"source":"/services/identity","feedepoch":1,"feedposition":1,"feedprevious":"x"}',
        to_wire(FeedEntry(1, 1, None, Recorded(OTHERS))),
        to_wire(FeedEntry(1, 1, None, Recorded(LOOSE))),
        b'[1,"feedepoch":1,"feedposition":1}',
    ],
)
def test_what_the_publisher_did_not_write_is_recognised(message):
    with pytest.raises(NotAnEvent):
        from_wire("identity", message)


def test_the_routing_key_is_the_name_of_the_event():
    assert routing_key(Recorded(b'{"type":"okacrm.identity.consent_granted"}')) == "consent_granted"
