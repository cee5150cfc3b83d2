"""The search leaps with less work at each step: what a query does not ask for is not looked at."""

from alembic import op

revision = "audit_0007"
down_revision = "audit_0006"


def upgrade() -> None:
    op.execute(_FIND_LEAVES)


# The groups of `terms` end at `group_ends`; a leaf is wanted that stands under one term of each group. `place` is where
# the groups have come, and the one whose turn it is leaps to its own newest leaf there or below. When all agree, the
# leaf is looked at. After `steps` leaps the place is told, as a row that is not wanted, from which to go on.
# Most groups have one term, for which the next place is one look into the index; the time of a leaf is read only where
# a period was given.
_FIND_LEAVES = """
    CREATE OR REPLACE FUNCTION find_leaves(
        terms bigint[], group_ends integer[], unwanted bigint[], since timestamptz, until timestamptz,
        outside_since timestamptz[], outside_until timestamptz[],
        lowest bigint, before bigint, page integer, steps integer
    ) RETURNS TABLE (leaf_index bigint, wanted boolean) LANGUAGE plpgsql STABLE AS $$
    #variable_conflict use_column
    DECLARE
        groups CONSTANT integer := cardinality(group_ends);
        excludes CONSTANT boolean := cardinality(unwanted) > 0;
        leaves_out CONSTANT boolean := cardinality(outside_since) > 0;
        is_dated CONSTANT boolean := since IS NOT NULL OR until IS NOT NULL OR leaves_out;
        turn integer := 1;
        first_term integer;
        agreed integer;
        place bigint := before - 1;
        next_place bigint;
        found integer := 0;
        moment timestamptz;
        is_wanted boolean;
    BEGIN
        WHILE found < page LOOP
            agreed := 0;
            WHILE agreed < greatest(groups, 1) LOOP
                IF steps = 0 THEN
                    RETURN QUERY SELECT place + 1, false;
                    RETURN;
                END IF;
                steps := steps - 1;
                IF groups = 0 THEN
                    next_place := place;
                ELSE
                    first_term := coalesce(group_ends[turn - 1], 0) + 1;
                    IF group_ends[turn] = first_term THEN
                        SELECT posting.leaf_index INTO next_place FROM leaf_terms AS posting
                        WHERE posting.term = terms[first_term] AND posting.leaf_index <= place
                        ORDER BY posting.leaf_index DESC LIMIT 1;
                    ELSE
                        SELECT max(newest.leaf_index) INTO next_place
                        FROM unnest(terms[first_term : group_ends[turn]]) AS member (term),
                        LATERAL (
                            SELECT posting.leaf_index FROM leaf_terms AS posting
                            WHERE posting.term = member.term AND posting.leaf_index <= place
                            ORDER BY posting.leaf_index DESC LIMIT 1
                        ) AS newest;
                    END IF;
                    turn := turn % groups + 1;
                END IF;
                IF next_place IS NULL OR next_place < lowest THEN
                    RETURN;
                END IF;
                agreed := CASE WHEN next_place < place THEN 1 ELSE agreed + 1 END;
                place := next_place;
            END LOOP;
            is_wanted := true;
            IF is_dated THEN
                SELECT leaves.occurred_at INTO moment FROM leaves WHERE leaves.leaf_index = place;
                is_wanted := (since IS NULL OR moment >= since) AND (until IS NULL OR moment < until);
                IF is_wanted AND leaves_out THEN
                    is_wanted := NOT EXISTS (
                        SELECT FROM unnest(outside_since, outside_until) AS outside (since, until)
                        WHERE (outside.since IS NULL OR moment >= outside.since)
                            AND (outside.until IS NULL OR moment < outside.until)
                    );
                END IF;
            END IF;
            IF is_wanted AND excludes THEN
                is_wanted := NOT EXISTS (
                    SELECT FROM leaf_terms WHERE leaf_terms.term = ANY(unwanted) AND leaf_terms.leaf_index = place
                );
            END IF;
            IF is_wanted THEN
                found := found + 1;
                leaf_index := place;
                wanted := true;
                RETURN NEXT;
            END IF;
            place := place - 1;
        END LOOP;
    END $$
"""
