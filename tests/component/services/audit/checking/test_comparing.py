"""Comparing in the background: page by page, with findings that go when their places hold; and kept checkpoints."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from services.audit.checking.comparer import ComparedCheckpoints, ComparedLeaves, Comparer
from services.audit.checking.comparing import PAGE, Stretch
from services.audit.log.archive import ArchiveDamaged
from services.audit.log.kept_checkpoints import CheckpointKeeper, KeptCheckpoints, checkpoint_directory
from services.audit.log.queries import published_size
from shared.contracts.problems import Problem
from shared.eventstore.recorded import Recorded
from shared.eventstore.store import FeedEntry
from tests.making import NOON


def comparer(log, *stores):
    return Comparer(log.engine, stores, 12)


def rows(log, query):
    with log.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def findings(log):
    return rows(log, "SELECT position, what, place FROM comparison_findings ORDER BY position, what")


def test_a_page_is_compared_at_a_time_and_a_round_begins_again(copied):
    compare = comparer(copied, ComparedLeaves(copied.engine, copied.directory))
    progress = "SELECT position, entries, ended_at IS NOT NULL FROM comparisons WHERE store = 'leaves'"
    compare.compare_next()
    assert compare.period == 5.0
    assert rows(copied, progress) == [(PAGE, 700, False)]
    compare.compare_next()
    assert rows(copied, progress) == [(0, 700, True)]
    compare.compare_next()
    assert rows(copied, progress) == [(PAGE, 700, True)]


def test_a_new_process_goes_on_where_the_last_one_was_and_counts_first(copied):
    comparer(copied, ComparedLeaves(copied.engine, copied.directory)).compare_next()
    copied.plant("DELETE FROM leaves WHERE leaf_index = 3")
    comparer(copied, ComparedLeaves(copied.engine, copied.directory)).compare_next()
    # The leaf is in a page that was compared before; that one is missing was counted.
    assert findings(copied) == [(0, "leaves-differ", "leaves")]


def test_a_finding_goes_when_its_place_holds_again(copied):
    compare = comparer(copied, ComparedLeaves(copied.engine, copied.directory))
    copied.plant("UPDATE leaves SET leaf_hash = sha256(leaf_hash) WHERE leaf_index IN (7, 600)")
    compare.compare_next()
    compare.compare_next()
    assert findings(copied) == [(8, "leaf-hash-differs", "leaf 7"), (601, "leaf-hash-differs", "leaf 600")]
    copied.plant("UPDATE leaves SET leaf_hash = sha256('\\x00'::bytea || leaf) WHERE leaf_index = 600")
    compare.compare_next()
    compare.compare_next()
    assert findings(copied) == [(8, "leaf-hash-differs", "leaf 7")]


class Away:
    name = "identity"

    def count(self):
        raise Problem("service-unavailable")


def test_a_store_that_is_away_holds_up_no_other(copied):
    compare = comparer(copied, Away(), ComparedCheckpoints(copied.engine, copied.directory))
    for _ in range(2):
        with pytest.raises(Problem):
            compare.compare_next()
        compare.compare_next()
    assert rows(copied, "SELECT store, entries FROM comparisons ORDER BY store") == [
        ("checkpoints", 9),
        ("identity", 0),
    ]


@pytest.mark.parametrize(
    ("statements", "what"),
    [
        ("DELETE FROM checkpoints WHERE size = 300", ("checkpoint-missing", "checkpoint 300")),
        ("UPDATE checkpoints SET note = 'x' WHERE size = 300", ("checkpoint-differs", "checkpoint 300")),
        (
            "INSERT INTO checkpoints SELECT 301, note, signed_at FROM checkpoints WHERE size = 300",
            ("checkpoint-not-kept", "checkpoint 301"),
        ),
    ],
)
def test_checkpoints_are_those_that_were_kept(copied, statements, what):
    copied.plant(statements)
    comparer(copied, ComparedCheckpoints(copied.engine, copied.directory)).compare_next()
    assert what in {(kind, place) for _, kind, place in findings(copied)}


def test_one_that_is_kept_and_not_yet_in_the_database_is_no_finding(copied):
    copied.plant("DELETE FROM checkpoints WHERE size = 700")
    comparer(copied, ComparedCheckpoints(copied.engine, copied.directory)).compare_next()
    assert findings(copied) == []


# --- kept checkpoints and the database


def test_a_restored_database_is_given_what_it_lacks(copied):
    before = rows(copied, "SELECT size, note FROM checkpoints ORDER BY size")
    copied.plant("DELETE FROM checkpoints WHERE size > 256")
    with CheckpointKeeper(copied.directory) as keeper, copied.engine.begin() as connection:
        keeper.publish(connection, NOON)
        assert published_size(connection) == 700
    assert rows(copied, "SELECT size, note FROM checkpoints ORDER BY size") == before


def test_a_log_that_kept_none_begins_with_those_of_its_database(copied):
    kept = list(KeptCheckpoints(copied.directory).read())
    (segment,) = checkpoint_directory(copied.directory).glob("*.checkpoints")
    segment.unlink()
    with CheckpointKeeper(copied.directory) as keeper, copied.engine.connect() as connection:
        keeper.begin_with(connection)
    assert list(KeptCheckpoints(copied.directory).read()) == kept


def test_kept_ones_of_an_older_copy_are_completed_from_the_database(copied):
    kept = list(KeptCheckpoints(copied.directory).read())
    (segment,) = checkpoint_directory(copied.directory).glob("*.checkpoints")
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:4]))
    with CheckpointKeeper(copied.directory) as keeper, copied.engine.connect() as connection:
        keeper.begin_with(connection)
    assert list(KeptCheckpoints(copied.directory).read()) == kept


def test_how_many_there_were_is_not_forgotten_when_some_are_missing(copied):
    stores = ComparedCheckpoints(copied.engine, copied.directory)
    comparer(copied, stores).compare_next()
    (segment,) = checkpoint_directory(copied.directory).glob("*.checkpoints")
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:4]))
    comparer(copied, stores).compare_next()
    assert (0, "kept-checkpoints-differ", "checkpoints") in findings(copied)
    assert rows(copied, "SELECT entries FROM comparisons") == [(9,)]


def test_where_there_were_more_they_are_not_begun_anew(copied):
    comparer(copied, ComparedCheckpoints(copied.engine, copied.directory)).compare_next()
    (segment,) = checkpoint_directory(copied.directory).glob("*.checkpoints")
    segment.unlink()
    with (
        CheckpointKeeper(copied.directory) as keeper,
        copied.engine.connect() as connection,
        pytest.raises(ArchiveDamaged, match="has held 9"),
    ):
        keeper.begin_with(connection)


# --- what a page tells of


def entry(position: int) -> FeedEntry:
    return FeedEntry(1, position, None, Recorded(b"{}"))


@pytest.mark.parametrize(
    ("after", "positions", "last", "up_to"),
    [
        (0, [1, 2, 3], 900, 3),
        (0, [1, 2, 3], 3, 3),
        (0, [1, 2, 3], 2, 2),
        (3, [], 900, 3 + PAGE),
        (3, [], 9, 9),
        (0, [1, PAGE + 9], 900, PAGE),
        (0, [], 0, 0),
    ],
    ids=["a page", "to the end", "beyond the log", "a hole", "an end that is gone", "a hole within", "nothing"],
)
def test_a_page_tells_of_the_places_up_to_its_end(after, positions, last, up_to):
    stretch = Stretch.of(after, [entry(each) for each in positions], last)
    assert stretch.up_to == up_to
    assert [each.position for each in stretch.entries] == [each for each in positions if each <= up_to]
