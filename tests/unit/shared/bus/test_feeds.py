"""The cursor of readers over HTTP is one word, and says no less than the cursor of a subscription."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.feeds import cursor_of_word, word_of_cursor
from shared.eventstore.store import FeedCursor

cursors = st.builds(FeedCursor, st.integers(1, 2**31 - 1), st.integers(1, 2**53), st.uuids())


@given(cursors)
def test_a_cursor_is_the_same_after_it_was_written_and_read(cursor: FeedCursor) -> None:
    assert cursor_of_word(word_of_cursor(cursor)) == cursor


@pytest.mark.parametrize("word", ["", "1", "1.17", "1.17.x", "x.17.019abf2e-5c1d-7a40-9c52-7d1f0a3b6e11"])
def test_what_was_never_written_is_no_cursor(word: str) -> None:
    with pytest.raises(ValueError, match=r"values|literal|hexadecimal"):
        cursor_of_word(word)
