"""What text that people type may hold: what can be seen, and what shows it in the order in which it stands.

A character that nobody sees makes two names look alike, and one that turns the direction of text around shows another
name than the one that is kept. Refused are controls of all kinds, marks of direction, other separators of lines, and
what has no form of its own, such as a zero-width space or a Hangul filler. What scripts and emoji need stays: a joiner
or non-joiner between two visible characters or after a virama (RFC 5892, appendix A), a variation selector behind what
it varies, and the tags of a flag. What has no form is named by Unicode's `Default_Ignorable_Code_Point`.
"""

from __future__ import annotations

import unicodedata

_JOINERS = frozenset("\u200c\u200d\u180e")
_VIRAMA = 9
_BLACK_FLAG = "\U0001f3f4"
_VISIBLE_FORMAT = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Signs of Arabic, Syriac and Kaithi that stand before a number: of category Cf, and seen all the same."""
_FORMLESS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2065\u2800\u3164\uffa0")
"""What has no form though it is a letter, a mark or a symbol; a blank Braille pattern is one of them."""
_TURNING = frozenset("\u202d\u202e")
_OF_PROSE = frozenset("\n\r\t")


class Unseen(ValueError):
    """The text holds what cannot be seen, or nothing that can; the message says so, and repeats nothing of it."""


def must_be_seen(text: str) -> None:
    """Return if all of a name, or another short text in one line, can be seen. Raise `Unseen` otherwise."""
    for position, character in enumerate(text):
        if not _may_stand(text, position, character):
            raise Unseen("Characters that cannot be seen, or that turn text around, are not accepted.")
    _must_not_be_blank(text)


def must_be_readable(text: str) -> None:
    """Return if a text of several lines has no controls but line breaks and tabs, and turns nothing around.

    Raise `Unseen` otherwise. Marks of direction stay, for prose in several scripts needs them.
    """
    for character in text:
        control = unicodedata.category(character) == "Cc" and character not in _OF_PROSE
        if control or character in _TURNING:
            raise Unseen("Control characters other than line breaks and tabs are not accepted.")
    _must_not_be_blank(text)


def _must_not_be_blank(text: str) -> None:
    if not any(_has_a_form(character) for character in text):
        raise Unseen("This must not be blank.")


def _may_stand(text: str, position: int, character: str) -> bool:
    before = text[position - 1] if position else ""
    if character in _JOINERS:
        return _joins(text, position)
    if _is_selector(character):
        return bool(before) and _is_visible(before)
    if _is_tag(character):
        return before == _BLACK_FLAG or (bool(before) and _is_tag(before))
    return _is_visible(character) or unicodedata.category(character) == "Zs"


def _joins(text: str, position: int) -> bool:
    """Whether the joiner at this position stands between two visible characters, or after a virama."""
    before, after = text[:position][-1:], text[position + 1 :][:1]
    if not before:
        return False
    if unicodedata.combining(before) == _VIRAMA:
        return True
    return (_is_visible(before) or _is_selector(before)) and bool(after) and _is_visible(after)


def _has_a_form(character: str) -> bool:
    """Whether this is seen by itself; a mark is seen on something else."""
    return _is_visible(character) and not unicodedata.category(character).startswith("M")


def _is_visible(character: str) -> bool:
    if character in _VISIBLE_FORMAT:
        return True
    if character in _FORMLESS or _is_selector(character) or _is_tag(character) or _is_noncharacter(character):
        return False
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp")


def _is_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or character in "\u180b\u180c\u180d\u180f" or _is_ideographic(character)


def _is_ideographic(character: str) -> bool:
    return "\U000e0100" <= character <= "\U000e01ef"


def _is_tag(character: str) -> bool:
    return "\U000e0000" <= character <= "\U000e0fff" and not _is_ideographic(character)


def _is_noncharacter(character: str) -> bool:
    return "\ufdd0" <= character <= "\ufdef" or ord(character) & 0xFFFE == 0xFFFE
