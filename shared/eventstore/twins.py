"""Twins of tables: empty tables like live ones, in a schema beside theirs, which can take their places.

A twin has the same columns, indexes, constraints, triggers, rights and options under the same names. Definitions are
read where the live tables are what a plain name means, and run where the twins are. What cannot be copied this way
makes the descriptions differ, and then there is no twin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, text

from shared.eventstore.transaction import driver_of

LIVE, TWINS = "public", "rebuilding"
SEES_LIVE = text(f"SET LOCAL search_path = {LIVE}")
SEES_TWINS = text(f"SET LOCAL search_path = {TWINS}, {LIVE}")
"""Makes plain names mean twins where there are any."""


class CannotRebuild(Exception):
    """Rebuilding a read model cannot go on; the message says why, and what to do."""


def exist(connection: Connection, tables: Sequence[str]) -> bool:
    """Return whether there is a twin of each of these tables that still is like the live one."""
    return all(
        connection.scalar(text("SELECT to_regclass(:name)"), {"name": f"{TWINS}.{table}"}) is not None
        and description(connection, LIVE, table) == description(connection, TWINS, table)
        for table in tables
    )


def create(connection: Connection, tables: Sequence[str]) -> None:
    """Make empty twins of tables that may refer to each other, in the place of former twins.

    Raise `CannotRebuild` if another table refers to one of them, or if a twin would not be like its live table.
    """
    _must_stand_alone(connection, tables)
    for table in tables:
        connection.execute(text(f"DROP TABLE IF EXISTS {TWINS}.{table} CASCADE"))
    later = []
    for table in tables:
        connection.execute(SEES_LIVE)
        constraints, indexes, triggers, rights, options = _parts(connection, table)
        connection.execute(SEES_TWINS)
        connection.execute(
            text(
                f"CREATE TABLE {TWINS}.{table} "
                f"(LIKE {LIVE}.{table} INCLUDING ALL EXCLUDING INDEXES EXCLUDING STATISTICS)"
            )
        )
        if options:
            connection.execute(text(f"ALTER TABLE {TWINS}.{table} SET ({', '.join(options)})"))
        for each in constraints:
            statement = f"ALTER TABLE {TWINS}.{table} ADD CONSTRAINT {each.name} {each.definition}"
            if each.kind == "f":
                later.append(statement)
            else:
                driver_of(connection).execute(statement)
        for each in (*indexes, *triggers, *rights):
            driver_of(connection).execute(each.statement)
    for statement in later:
        driver_of(connection).execute(statement)
    if not exist(connection, tables):
        raise CannotRebuild(f"{', '.join(tables)}: something about them is not copied; see shared/eventstore/twins.py")


def take_their_places(connection: Connection, tables: Sequence[str]) -> None:
    """Drop live tables and let their twins be them. Whoever waits for a table finds the twin.

    Tables that these refer to are locked for that moment as well, as dropping a reference does it.
    """
    names = [f"{LIVE}.{table}" for table in tables]
    referred = connection.scalars(
        text("""
            SELECT DISTINCT confrelid::regclass::text FROM pg_constraint
            WHERE contype = 'f'
                AND conrelid = ANY(CAST(:names AS regclass[])) AND confrelid <> ALL(CAST(:names AS regclass[]))
        """),
        {"names": names},
    ).all()
    connection.execute(text(f"LOCK TABLE {', '.join([*sorted(referred), *names])} IN ACCESS EXCLUSIVE MODE"))
    if not exist(connection, tables):
        raise CannotRebuild("the tables were changed meanwhile, as by a migration: run it again, and it begins anew")
    connection.execute(text(f"DROP TABLE {', '.join(names)}"))
    for table in tables:
        connection.execute(text(f"ALTER TABLE {TWINS}.{table} SET SCHEMA {LIVE}"))


def written_elsewhere(connection: Connection) -> list[str]:
    """Return the tables beside the twins that this transaction wrote, or would have if a row had been there.

    Whoever writes a table holds a lock that says so until the transaction ends.
    """
    return list(
        connection.scalars(
            text(f"""
                SELECT DISTINCT relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
                WHERE pid = pg_backend_pid() AND locktype = 'relation' AND relkind IN ('r', 'p') AND c.oid >= 16384
                    AND relnamespace IS DISTINCT FROM to_regnamespace('{TWINS}')
                    AND mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareLock')
                ORDER BY relname
            """)  # noqa: S608 - a name from above
        )
    )


def description(connection: Connection, schema: str, table: str) -> list[str]:
    """Return everything about a table but its rows, in the same words whichever schema it is in."""
    connection.execute(SEES_TWINS if schema == TWINS else SEES_LIVE)
    return list(connection.scalars(_DESCRIPTION, {"name": f"{schema}.{table}"}))


def _must_stand_alone(connection: Connection, tables: Sequence[str]) -> None:
    referring = connection.scalars(
        text("""
            SELECT DISTINCT conrelid::regclass::text FROM pg_constraint
            WHERE contype = 'f'
                AND confrelid = ANY(CAST(:names AS regclass[])) AND conrelid <> ALL(CAST(:names AS regclass[]))
                AND connamespace <> coalesce(to_regnamespace(:twins), 0)
        """),
        {"names": [f"{LIVE}.{table}" for table in tables], "twins": TWINS},
    ).all()
    if referring:
        raise CannotRebuild(f"{', '.join(referring)} refers to a table of a read model, which is made anew at times")


def _parts(connection: Connection, table: str) -> tuple[Any, ...]:
    """What of a live table is made one by one: constraints, indexes, triggers, rights and options."""

    def rows(statement: str) -> Sequence[Row[Any]]:
        return connection.execute(text(statement), {"name": f"{LIVE}.{table}"}).all()

    constraints = rows("""
        SELECT quote_ident(conname) AS name, contype AS kind, pg_get_constraintdef(oid, true) AS definition
        FROM pg_constraint WHERE conrelid = CAST(:name AS regclass) AND contype IN ('p', 'u', 'x', 'f') ORDER BY conname
    """)
    indexes = rows("""
        SELECT pg_get_indexdef(indexrelid, 0, true) AS statement FROM pg_index
        WHERE indrelid = CAST(:name AS regclass)
            AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
        ORDER BY indexrelid
    """)
    triggers = rows("""
        SELECT concat_ws('; ', pg_get_triggerdef(t.oid, true), CASE tgenabled
            WHEN 'A' THEN format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', tgrelid::regclass, tgname)
            WHEN 'R' THEN format('ALTER TABLE %s ENABLE REPLICA TRIGGER %I', tgrelid::regclass, tgname)
            WHEN 'D' THEN format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname)
        END) AS statement
        FROM pg_trigger t WHERE tgrelid = CAST(:name AS regclass) AND NOT tgisinternal ORDER BY tgname
    """)
    rights = rows("""
        SELECT format('GRANT %s ON %s TO %s%s', privilege_type, c.oid::regclass,
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
            CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS statement
        FROM pg_class c, aclexplode(relacl) WHERE c.oid = CAST(:name AS regclass) AND grantee <> relowner
    """)
    options = connection.scalars(
        text("SELECT unnest(reloptions) FROM pg_class WHERE oid = CAST(:name AS regclass)"), {"name": f"{LIVE}.{table}"}
    ).all()
    return constraints, indexes, triggers, rights, options


_DESCRIPTION = text("""
    WITH it AS (SELECT * FROM pg_class WHERE oid = CAST(:name AS regclass))
    SELECT said FROM (
        SELECT concat_ws(' ', 'table', pg_get_userbyid(relowner), relkind, relpersistence, relreplident, relrowsecurity,
            relhasrules, reloptions) FROM it
        UNION ALL
        SELECT concat_ws(' ', 'column', row_number() OVER (ORDER BY attnum), attname,
            format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attstorage, attcompression,
            attstattarget, attoptions, attacl, attcollation, pg_get_expr(adbin, adrelid))
        FROM it JOIN pg_attribute a ON attrelid = it.oid AND attnum > 0 AND NOT attisdropped
        LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum
        UNION ALL
        SELECT concat_ws(' ', 'constraint', conname, convalidated, pg_get_constraintdef(c.oid, true))
        FROM it JOIN pg_constraint c ON conrelid = it.oid
        UNION ALL
        SELECT concat_ws(' ', 'index', indisclustered, indisreplident, pg_get_indexdef(indexrelid, 0, true))
        FROM it JOIN pg_index ON indrelid = it.oid
        UNION ALL
        SELECT concat_ws(' ', 'trigger', tgenabled, pg_get_triggerdef(t.oid, true))
        FROM it JOIN pg_trigger t ON tgrelid = it.oid AND NOT tgisinternal
        UNION ALL
        SELECT concat_ws(' ', 'statistics', stxname) FROM it JOIN pg_statistic_ext ON stxrelid = it.oid
        UNION ALL
        SELECT concat_ws(' ', 'right', grantee::regrole, privilege_type, is_grantable)
        FROM it, aclexplode(coalesce(relacl, acldefault('r', relowner)))
    ) AS everything (said) ORDER BY said
""")
