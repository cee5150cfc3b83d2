"""One-time codes are those of RFC 6238."""

from __future__ import annotations

from base64 import b32encode
from datetime import UTC, datetime, timedelta

import pytest

from services.identity.second_factors import STEP_SECONDS, step_of

SECRET = b32encode(b"12345678901234567890").decode()
VECTORS = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]
"""RFC 6238, appendix B, for SHA-1: the last six of the eight digits there (RFC 4226, section 5.3)."""


@pytest.mark.parametrize(("seconds", "code"), VECTORS)
def test_codes_are_those_of_the_standard(seconds, code):
    assert step_of(SECRET, code, datetime.fromtimestamp(seconds, UTC)) == seconds // STEP_SECONDS


@pytest.mark.parametrize("steps", [-2, 2])
def test_a_code_is_worth_nothing_two_steps_away(steps):
    seconds, code = VECTORS[1]
    moment = datetime.fromtimestamp(seconds, UTC) + timedelta(seconds=steps * STEP_SECONDS)
    assert step_of(SECRET, code, moment) is None
