"""Values that were given out, altered as somebody would who wants to see what else is believed."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable

from hypothesis import strategies as st

CURSOR_LETTERS = "ABCabcxyz019-_.=%+/ é"


def altered(given: str) -> st.SearchStrategy[str]:
    """Another text that was made of this one: by letters and, as it may be base64, by bits."""
    place = st.integers(0, len(given) - 1)
    letter = st.sampled_from(CURSOR_LETTERS)
    digits = st.sampled_from(["0", "-1", "99999", str(2**63), "9" * 40])
    ways = st.one_of(
        st.builds(lambda at, other: given[:at] + other + given[at + 1 :], place, letter),
        st.builds(lambda at, other: given[:at] + other + given[at:], place, letter),
        st.builds(lambda at, length: given[:at] + given[at + length :], place, st.integers(1, 8)),
        st.builds(lambda at: given[at:] + given[:at], place),
        st.builds(lambda at, number: given[:at] + number + given[at + 1 :], place, digits),
        st.builds(lambda bit: _with_bit_turned(given, bit), st.integers(0, 8 * len(given))),
        st.sampled_from([given * 2, given.swapcase(), given + "=", given[::-1], ""]),
    )
    return ways.filter(lambda other: other != given)


def altered_file(given: bytes) -> st.SearchStrategy[bytes]:
    """Another file that was made of this one, which is never empty."""
    place = st.integers(0, len(given) - 1)
    ways: list[Callable[[int, bytes], bytes]] = [
        lambda at, more: given[:at] + more + given[at + len(more) :],
        lambda at, more: given[:at] + more + given[at:],
        lambda at, more: given[: at + 1],
        lambda at, more: given[:at] + given[at + len(more) :] or more,
    ]
    more = st.binary(min_size=1, max_size=9)
    return st.builds(lambda way, at, other: way(at, other), st.sampled_from(ways), place, more)


def _with_bit_turned(given: str, bit: int) -> str:
    try:
        data = bytearray(urlsafe_b64decode(given + "=" * (-len(given) % 4)))
    except ValueError:
        return given[::-1]
    if not data:
        return given[::-1]
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    return urlsafe_b64encode(data).decode().rstrip("=")
