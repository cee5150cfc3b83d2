"""The index of the log by term, which takes the place of those by type, actor and subject, and the counts by day."""

from alembic import context, op

from shared.eventstore.ddl import refuse_change

revision = "audit_0004"
down_revision = "audit_0003"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    op.execute("CREATE TABLE leaf_terms (term bigint NOT NULL, leaf_index bigint NOT NULL REFERENCES leaves)")
    op.execute("""
        CREATE TABLE log_days (
            day date NOT NULL,
            publisher text NOT NULL,
            type text NOT NULL,
            records bigint NOT NULL,
            first_index bigint NOT NULL,
            last_index bigint NOT NULL,
            PRIMARY KEY (day, publisher, type)
        )
    """)
    _index_what_is_there()
    op.execute("ALTER TABLE leaf_terms ADD PRIMARY KEY (term, leaf_index)")
    op.execute("DROP TABLE leaf_subjects")
    op.execute("DROP INDEX leaves_type, leaves_actor, leaves_occurred_at")
    refuse_change("leaf_terms")
    op.execute(_FIND_LEAVES)
    op.execute(f"GRANT SELECT, INSERT ON leaf_terms TO {role}")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON log_days TO {role}")


def _index_what_is_there() -> None:
    op.execute("""
        INSERT INTO leaf_terms (term, leaf_index)
        WITH documents AS (SELECT leaf_index, convert_from(leaf, 'UTF8')::jsonb AS leaf FROM leaves),
        terms AS (
            SELECT leaf_index, 'type:' || (leaf ->> 'type') AS term FROM documents
            UNION SELECT leaf_index, 'publisher:' || (leaf ->> 'publisher') FROM documents
            UNION SELECT leaf_index, 'actor:' || (leaf ->> 'actor') FROM documents
            UNION SELECT leaf_index, 'actor:' || split_part(leaf ->> 'actor', ':', 1) FROM documents
            UNION SELECT leaf_index, 'workspace:' || (leaf ->> 'workspace') FROM documents
                WHERE leaf ->> 'workspace' IS NOT NULL
            UNION SELECT leaf_index, 'subject:' || jsonb_array_elements_text(leaf -> 'subjects') FROM documents
            UNION SELECT leaf_index, 'category:' || (jsonb_array_elements(leaf -> 'sealed') ->> 'category')
                FROM documents
        )
        SELECT ('x' || encode(substr(sha256(convert_to(term, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint, leaf_index
        FROM terms
    """)
    op.execute("""
        INSERT INTO log_days (day, publisher, type, records, first_index, last_index)
        SELECT (occurred_at AT TIME ZONE 'UTC')::date, publisher, type, count(*), min(leaf_index), max(leaf_index)
        FROM leaves GROUP BY 1, 2, 3
    """)


# The groups of `terms` end at `group_ends`; a leaf is wanted that stands under one term of each group. `place` is where
# the groups have come, and the one whose turn it is leaps to its own newest leaf there or below. When all agree, the
# leaf is looked at. After `steps` leaps the place is told, as a row that is not wanted, from which to go on.
_FIND_LEAVES = """
    CREATE FUNCTION find_leaves(
        terms bigint[], group_ends integer[], unwanted bigint[], since timestamptz, until timestamptz,
        outside_since timestamptz[], outside_until timestamptz[],
        lowest bigint, before bigint, page integer, steps integer
    ) RETURNS TABLE (leaf_index bigint, wanted boolean) LANGUAGE plpgsql STABLE AS $$
    #variable_conflict use_column
    DECLARE
        groups CONSTANT integer := cardinality(group_ends);
        turn integer := 1;
        agreed integer;
        place bigint := before - 1;
        next_place bigint;
        found integer := 0;
        moment timestamptz;
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
                    SELECT max(newest.leaf_index) INTO next_place
                    FROM unnest(terms[coalesce(group_ends[turn - 1], 0) + 1 : group_ends[turn]]) AS member (term),
                    LATERAL (
                        SELECT posting.leaf_index FROM leaf_terms AS posting
                        WHERE posting.term = member.term AND posting.leaf_index <= place
                        ORDER BY posting.leaf_index DESC LIMIT 1
                    ) AS newest;
                    turn := turn % groups + 1;
                END IF;
                IF next_place IS NULL OR next_place < lowest THEN
                    RETURN;
                END IF;
                agreed := CASE WHEN next_place < place THEN 1 ELSE agreed + 1 END;
                place := next_place;
            END LOOP;
            SELECT leaves.occurred_at INTO moment FROM leaves WHERE leaves.leaf_index = place;
            IF (since IS NULL OR moment >= since) AND (until IS NULL OR moment < until)
                AND NOT EXISTS (
                    SELECT FROM unnest(outside_since, outside_until) AS outside (since, until)
                    WHERE (outside.since IS NULL OR moment >= outside.since)
                        AND (outside.until IS NULL OR moment < outside.until)
                )
                AND NOT EXISTS (
                    SELECT FROM leaf_terms WHERE leaf_terms.term = ANY(unwanted) AND leaf_terms.leaf_index = place
                )
            THEN
                found := found + 1;
                RETURN QUERY SELECT place, true;
            END IF;
            place := place - 1;
        END LOOP;
    END $$
"""
