"""What the index finds is what the query means, on every page, whatever is asked; and it is counted alike."""

from __future__ import annotations

import random
from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.audit.disclosures.queries import DisclosurePlace
from services.audit.log import queries
from services.audit.log.asking import place_of
from services.audit.log.methods.records import query_of
from services.audit.log.queries import Place
from services.audit.search import postings
from services.audit.search.language import parse
from services.audit.tree.leaves import Leaf
from shared.contracts.problems import Problem
from tests.component.services.audit.conftest import SPACE, entry, person

TERMS = (
    f"subject:{person(3)}",
    f"subject:{person(3)},{person(4)},{person(5)}",
    "type:identity.consent_granted",
    "type:identity.session_opened,identity.account_profile_changed",
    "type:identity.account_erased",
    "publisher:identity",
    "publisher:billing",
    "actor:influencer",
    f"workspace:{SPACE}",
    "category:identity",
    "category:financial",
    "occurred:2026-11-01T12:01:00Z..2026-11-01T12:08:00Z",
    "occurred:2026-11-01",
    "occurred:..2026-10-31",
)
queries_ = st.lists(
    st.builds(lambda negated, term: f"{'-' if negated else ''}{term}", st.booleans(), st.sampled_from(TERMS)),
    max_size=4,
).map(" ".join)
WITHIN_A_TEST = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def leaves(filled) -> list[Leaf]:
    with filled.engine.connect() as connection:
        rows = connection.execute(text("SELECT leaf FROM leaves ORDER BY leaf_index DESC"))
        return [Leaf.from_bytes(bytes(row.leaf)) for row in rows]


def pages(connection, query, limit):
    """Everything that is found, page by page."""
    found, place = [], None
    while True:
        page = queries.records(connection, query, place, limit)
        found += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            return found
        place = Place.from_text(page["next_cursor"])


@WITHIN_A_TEST
@given(queries_, st.integers(1, 60))
def test_the_index_finds_what_the_query_means(filled, leaves, text, limit):
    query = parse(text)
    with filled.engine.connect() as connection:
        assert pages(connection, query, limit) == [leaf.event_id for leaf in leaves if query.holds(leaf)]


@WITHIN_A_TEST
@given(queries_)
def test_facets_count_what_the_query_means(filled, leaves, text):
    query = parse(text)
    wanted = [leaf for leaf in leaves if query.holds(leaf)]
    with filled.engine.connect() as connection:
        counted = queries.facets(connection, query)
    if len(query.terms) > 3 and not counted["complete"]:
        wanted = wanted[: counted["records"]]
    else:
        assert counted["complete"]
    assert counted["records"] == len(wanted)
    assert counted["by_type"] == Counter(leaf.type for leaf in wanted)
    assert counted["by_publisher"] == Counter(leaf.publisher for leaf in wanted)
    assert counted["by_day"] == Counter(leaf.occurred_at[:10] for leaf in wanted)


def test_a_hard_question_is_answered_in_parts(filled, leaves, monkeypatch):
    monkeypatch.setattr(postings, "MOST_STEPS", 7)
    query = parse(f"workspace:{SPACE} -type:identity.session_opened -category:identity")
    hard = parse("type:identity.consent_granted workspace:" + str(SPACE))
    with filled.engine.connect() as connection:
        assert pages(connection, query, 50) == [leaf.event_id for leaf in leaves if query.holds(leaf)]
        assert pages(connection, hard, 50) == []


def test_pages_show_the_log_as_the_first_found_it(log):
    log.grow(30)
    query = parse("publisher:identity")
    with log.engine.connect() as connection:
        first = queries.records(connection, query, None, 10)
        log.grow(60)
        second = queries.records(connection, query, Place.from_text(first["next_cursor"]), 100)
        assert first["checkpoint"] == second["checkpoint"] == 30
        positions = [item["position"] for item in (*first["items"], *second["items"])]
        assert positions == list(range(29, -1, -1))
        assert {item["state"] for item in second["items"]} == {"published"}


@pytest.mark.parametrize("text", ["", "41", "5.6", "a.1", "1.-1", "1.1.1", "1." + "9" * 40, "².1"])
def test_what_is_no_cursor_names_no_place(text):
    with pytest.raises(ValueError, match="cursor"):
        Place.from_text(text)


def test_a_list_goes_on_at_a_checkpoint_of_this_log_only(log):
    """The gateway opens what it gave out; but the log may have been put back since, and be shorter."""
    log.grow(30)
    with log.engine.connect() as connection:
        assert place_of(connection, None, Place) is None
        assert place_of(connection, "30.7", Place) == Place(30, 7)
        for cursor in ("99999.99998", "9223372036854775808.1", "99999.602", "29.7", "30.31", "0.0", "abc"):
            with pytest.raises(Problem, match="cursor-invalid"):
                place_of(connection, cursor, Place)
        for cursor in ("99999.1795512600000000.41", "29.0.7", "30.7"):
            with pytest.raises(Problem, match="cursor-invalid"):
                place_of(connection, cursor, DisclosurePlace)


def test_names_are_known_that_the_log_holds(log):
    log.grow(30)
    with log.engine.connect() as connection:
        assert query_of(connection, "publisher:identity")
        assert postings.is_held(connection, "publisher", "identity")
        assert not postings.is_held(connection, "publisher", "biling")
        with pytest.raises(Problem, match="validation-failed") as refused:
            query_of(connection, "subject:" + str(UUID(int=1)) + " publisher:biling")
    (error,) = refused.value.members["errors"]
    assert (error["query"], error["position"], error["length"]) == ("q", 55, 6)


def test_terms_of_the_database_are_those_of_the_code(filled, leaves):
    """The migration of an older log and the code that writes a new one agree on the number of a term."""
    leaf = random.Random(1).choice(leaves)
    with filled.engine.connect() as connection:
        for value in leaf.subjects:
            number = connection.scalar(
                text(
                    "SELECT ('x' || encode(substr(sha256(convert_to('subject:' || :value, 'UTF8')), 1, 8), 'hex'))"
                    "::bit(64)::bigint"
                ),
                {"value": value},
            )
            assert number == postings.term_number("subject", value)


def test_a_day_is_looked_for_where_it_lies(log, monkeypatch):
    """What came after it costs nothing, not even the day that begins where the question ends."""

    def of_two_days(index):
        return entry(index, "session_opened", occurred_at=f"2026-11-0{1 + index // 20}T12:00:00.000000Z")

    log.grow(40, of_two_days)
    monkeypatch.setattr(postings, "MOST_STEPS", 21)
    with log.engine.connect() as connection:
        page = queries.records(connection, parse("occurred:2026-11-01"), None, 50)
    assert [item["position"] for item in page["items"]] == list(range(19, -1, -1))
