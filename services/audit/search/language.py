"""The query language of the log: terms that all have to hold, such as `type:identity.consent_granted -actor:staff`.

    query     = [ term *( 1*SP term ) ]
    term      = [ "-" ] qualifier ":" value *( "," value )
    qualifier = "actor" / "subject" / "type" / "publisher" / "workspace" / "category" / "recipient" / "occurred"
    value     = 1*( any character but space, comma and quote ) / DQUOTE *( any character but quote ) DQUOTE

Of several values one has to hold; `-` asks for records of which none does. There is no place for free text, so a query
holds nothing personal and can itself be recorded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from uuid import UUID

from services.audit.tree.leaves import Leaf
from shared.bus.actors import ACTOR_KINDS
from shared.contracts.catalogue import published_contracts
from shared.contracts.categories import Category
from shared.contracts.times import END_OF_TIMES, FIRST_MOMENT, rfc3339

LONGEST_QUERY = 2_000
MOST_TERMS = 20
MOST_VALUES = 50
MOST_PERSONS = 50
"""Whom a query may name in all: the question is kept for each of them."""


class QueryInvalid(ValueError):
    """A text that is no query: what is wrong, and with which `length` characters from `position` (0-based) on."""

    def __init__(self, message: str, position: int, length: int) -> None:
        super().__init__(message)
        self.position = position
        self.length = length


@dataclass(frozen=True)
class Period:
    """Moments from `since` on and before `until`; None is open."""

    since: datetime | None
    until: datetime | None

    def holds(self, moment: datetime) -> bool:
        return (self.since is None or self.since <= moment) and (self.until is None or moment < self.until)

    def __str__(self) -> str:
        return f"{rfc3339(self.since) if self.since else ''}..{rfc3339(self.until) if self.until else ''}"


@dataclass(frozen=True)
class Term:
    """One qualifier with its values, of which one has to hold; or none, if it is negated."""

    qualifier: str
    values: tuple[str, ...]
    negated: bool = False

    def __str__(self) -> str:
        return f"{'-' if self.negated else ''}{self.qualifier}:{','.join(self.values)}"

    def holds(self, found_under: Mapping[str, frozenset[str]]) -> bool:
        """Whether it holds of a record that is found under these values of each qualifier."""
        return found_under[self.qualifier].isdisjoint(self.values) is self.negated


@dataclass(frozen=True)
class Query:
    """What is asked: every term has to hold, and the event has to have occurred within every period."""

    terms: tuple[Term, ...] = ()
    within: tuple[Period, ...] = ()
    outside: tuple[Period, ...] = ()

    def __str__(self) -> str:
        """The query in its plainest form, which means the same."""
        parts = [str(term) for term in self.terms]
        parts += [f"occurred:{period}" for period in self.within]
        parts += [f"-occurred:{period}" for period in self.outside]
        return " ".join(parts)

    @property
    def subjects(self) -> tuple[UUID, ...]:
        """The persons that the query asks about by name."""
        named = [value for term in self.terms if term.qualifier == "subject" for value in term.values]
        return tuple(UUID(value) for value in dict.fromkeys(named))

    @property
    def since(self) -> datetime | None:
        """Before this nothing is wanted; None is open."""
        return max((each.since for each in self.within if each.since), default=None)

    @property
    def until(self) -> datetime | None:
        """From this on nothing is wanted; None is open."""
        return min((each.until for each in self.within if each.until), default=None)

    def holds(self, leaf: Leaf) -> bool:
        """Whether a record is wanted."""
        occurred, found_under = datetime.fromisoformat(leaf.occurred_at), terms_of(leaf)
        return (
            all(term.holds(found_under) for term in self.terms)
            and all(period.holds(occurred) for period in self.within)
            and not any(period.holds(occurred) for period in self.outside)
        )


def terms_of(leaf: Leaf) -> Mapping[str, frozenset[str]]:
    """Under which values of each qualifier a record is found.

    An actor is found by its kind as well as by kind and id.
    """
    return {
        "actor": frozenset({leaf.actor, leaf.actor.partition(":")[0]}),
        "subject": frozenset(leaf.subjects),
        "type": frozenset({leaf.type}),
        "publisher": frozenset({leaf.publisher}),
        "workspace": frozenset({leaf.workspace} if leaf.workspace else ()),
        "category": frozenset(each.category for each in leaf.sealed),
        "recipient": frozenset(value for name in _RECIPIENTS if isinstance(value := leaf.data.get(name), str)),
    }


def parse(text: str) -> Query:
    """The query that a text stands for; the empty text asks for everything. Raises `QueryInvalid`."""
    if len(text) > LONGEST_QUERY:
        raise QueryInvalid(f"A query has at most {LONGEST_QUERY} characters.", LONGEST_QUERY, len(text) - LONGEST_QUERY)
    return parse_plain(text)


def parse_known(text: str, is_held: Callable[[str, str], bool]) -> Query:
    """The query that a text stands for, if all that it asks for by name exists. Raises `QueryInvalid`.

    A type, a publisher or a kind of actor exists if the contracts name it, or if `is_held` says of qualifier and value
    that the log holds records under it: then it existed once.
    """
    query = parse(text)
    for _, qualifier, values, _ in _scan(text):
        if qualifier not in _UNKNOWN:
            continue
        for value in values:
            name = _VALUES[qualifier](value).partition(":")[0]
            if name not in _known_names()[qualifier] and not is_held(qualifier, name):
                raise value.invalid(_UNKNOWN[qualifier])
    return query


def parse_plain(text: str) -> Query:
    """The query whose plainest form this is, which may be longer than what somebody writes. Raises `QueryInvalid`."""
    terms: list[Term] = []
    within: list[Period] = []
    outside: list[Period] = []
    for number, (negated, qualifier, values, start) in enumerate(_scan(text)):
        if number == MOST_TERMS:
            raise QueryInvalid(f"A query has at most {MOST_TERMS} terms.", start, len(text) - start)
        if qualifier == "occurred":
            if len(values) > 1:
                raise QueryInvalid("`occurred` takes one period.", values[1].position, len(values[1].text))
            (outside if negated else within).append(_period(values[0]))
        else:
            read = _VALUES[qualifier]
            terms.append(Term(qualifier, tuple(dict.fromkeys(read(value) for value in values)), negated))
    # Saying a thing twice asks for nothing else, and costs nothing more.
    query = Query(tuple(dict.fromkeys(terms)), tuple(within), tuple(outside))
    if len(query.subjects) > MOST_PERSONS:
        raise QueryInvalid(f"A query names at most {MOST_PERSONS} persons.", 0, len(text))
    return query


@dataclass(frozen=True)
class _Value:
    """A value as it was written, and where."""

    text: str
    position: int

    def invalid(self, message: str) -> QueryInvalid:
        return QueryInvalid(message, self.position, max(1, len(self.text)))


def _scan(text: str) -> Iterator[tuple[bool, str, list[_Value], int]]:
    """The terms of a text: whether negated, the qualifier, the values, and where the term begins."""
    position = 0
    while (position := _skip_spaces(text, position)) < len(text):
        start = position
        word = _WORD.match(text, position)
        if word is None or text[word.end() : word.end() + 1] != ":":
            end = _end_of_word(text, position)
            raise QueryInvalid(f"A term is a qualifier, a colon and a value. {_KNOWN}", position, end - position)
        if word["qualifier"] not in QUALIFIERS:
            raise QueryInvalid(f"There is no such qualifier. {_KNOWN}", word.start("qualifier"), len(word["qualifier"]))
        values, position = _scan_values(text, word.end() + 1)
        yield bool(word["negated"]), word["qualifier"], values, start


def _scan_values(text: str, position: int) -> tuple[list[_Value], int]:
    values: list[_Value] = []
    while True:
        if text[position : position + 1] == '"':
            end = text.find('"', position + 1)
            if end < 0:
                raise QueryInvalid("This quote is never closed.", position, len(text) - position)
            values.append(_Value(text[position + 1 : end], position + 1))
            position = end + 1
        else:
            end = _end_of_value(text, position)
            if end == position:
                raise QueryInvalid("A value is missing here.", position, 1)
            values.append(_Value(text[position:end], position))
            position = end
        if len(values) > MOST_VALUES:
            raise QueryInvalid(f"A term has at most {MOST_VALUES} values.", values[-1].position, 1)
        following = text[position : position + 1]
        if following not in ("", " ", ","):
            raise QueryInvalid("After a value comes a space or a comma.", position, 1)
        if following != ",":
            return values, position
        position += 1


@cache
def _known_names() -> Mapping[str, frozenset[str]]:
    """By qualifier, the names of which there are a few."""
    published = published_contracts()
    return {
        "type": frozenset(contract.type for contract in published),
        "publisher": frozenset(contract.publisher for contract in published),
        "actor": frozenset(ACTOR_KINDS),
    }


def _skip_spaces(text: str, position: int) -> int:
    while text[position : position + 1] == " ":
        position += 1
    return position


def _end_of_word(text: str, position: int) -> int:
    end = text.find(" ", position)
    return len(text) if end < 0 else end


def _end_of_value(text: str, position: int) -> int:
    match = _PLAIN.match(text, position)
    return match.end() if match else position


def _uuid(value: _Value) -> str:
    try:
        return str(UUID(value.text)) if len(value.text) == 36 else _refuse_uuid(value)
    except ValueError:
        return _refuse_uuid(value)


def _refuse_uuid(value: _Value) -> str:
    raise value.invalid("This is not an id.")


def _actor(value: _Value) -> str:
    if not _ACTOR.fullmatch(value.text):
        raise value.invalid("An actor is a kind, such as `staff`, or a kind and an id, such as `influencer:…`.")
    return value.text


def _type(value: _Value) -> str:
    if not _TYPE.fullmatch(value.text):
        raise value.invalid("A type is a publisher and a name, such as `identity.consent_granted`.")
    return value.text if value.text.startswith("okacrm.") else f"okacrm.{value.text}"


def _publisher(value: _Value) -> str:
    if not _NAME.fullmatch(value.text):
        raise value.invalid("A publisher is the name of a service, such as `identity`.")
    return value.text


def _category(value: _Value) -> str:
    if value.text not in list(Category):
        raise value.invalid(f"The categories are {', '.join(Category)}.")
    return value.text


def _period(value: _Value) -> Period:
    """A day, a moment, or two of them with `..` between, one of which may be left out.

    A period goes on to the end of a day that it ends with, and up to a moment that it ends with.
    """
    first, dots, last = value.text.partition("..")
    if not dots:
        period = Period(
            _moment(value, first), _moment(value, first) + (_A_DAY if _DAY.fullmatch(first) else _AN_INSTANT)
        )
    else:
        ends_after = _A_DAY if _DAY.fullmatch(last) else timedelta(0)
        period = Period(_moment(value, first) if first else None, _moment(value, last) + ends_after if last else None)
    if not (first or last) or (period.since and period.until and period.since >= period.until):
        raise value.invalid("This period is empty, or has no bound at all.")
    return period


def _moment(value: _Value, text: str) -> datetime:
    try:
        if _DAY.fullmatch(text) or _TIME.fullmatch(text):
            moment = datetime.fromisoformat(text)
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
            if FIRST_MOMENT <= moment < END_OF_TIMES:
                return moment
    except (ValueError, OverflowError):
        pass
    raise value.invalid("A moment is a day such as 2026-03-31, or a time such as 2026-03-31T12:00:00Z.")


_A_DAY, _AN_INSTANT = timedelta(days=1), timedelta(microseconds=1)

_WORD = re.compile(r"(?P<negated>-?)(?P<qualifier>[A-Za-z_]+)")
_PLAIN = re.compile(r'[^ ,"]+')
_NAME = re.compile(r"[a-z]{1,40}")
_ACTOR = re.compile(r"[a-z]{1,40}(:[A-Za-z0-9-]{1,60})?")
_TYPE = re.compile(r"(okacrm\.)?[a-z]{1,40}\.[a-z0-9_]{1,80}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})")
_RECIPIENTS = ("recipient_id",)

_UNKNOWN = {
    "type": "There is no such type of event, and the log holds none.",
    "publisher": "There is no such publisher, and the log holds nothing of one.",
    "actor": "There is no such kind of actor, and the log holds nothing of one.",
}

_VALUES: Mapping[str, Callable[[_Value], str]] = {
    "actor": _actor,
    "subject": _uuid,
    "type": _type,
    "publisher": _publisher,
    "workspace": _uuid,
    "category": _category,
    "recipient": _uuid,
}
QUALIFIERS = (*_VALUES, "occurred")
_KNOWN = f"The qualifiers are {', '.join(QUALIFIERS)}."
