"""What people write in several lines is taken as they wrote it, but for what no line holds."""

from __future__ import annotations

import pytest
from marshmallow import ValidationError

from gateway.schemas import Prose


def test_lines_end_alike_whatever_they_were_sent_with() -> None:
    assert Prose(100).deserialize("One.\r\n\r\nTwo.\nThree.") == "One.\n\nTwo.\nThree."


@pytest.mark.parametrize("text", ["a\x00b", "a\x1bb", "", " \r\n\t"])
def test_what_is_no_text_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Prose(100).deserialize(text)
