"""On green threads, a query that waits lets others go on; a process that cannot promise this does not start."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_queries_of_green_threads_wait_side_by_side(servers):
    """Five threads wait in the server for what the sixth lets go: were the hub blocked, it never would."""
    program = """
        from shared.runtime import green
        green.patch()
        import os, eventlet, psycopg

        def wait_for_the_lock():
            with psycopg.connect(os.environ["URL"], autocommit=True) as connection:
                connection.execute("SELECT pg_advisory_lock_shared(4711)")

        with psycopg.connect(os.environ["URL"], autocommit=True) as holder:
            holder.execute("SELECT pg_advisory_lock(4711)")
            threads = [eventlet.spawn(wait_for_the_lock) for _ in range(5)]
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"
            while holder.execute(waiting).fetchone()[0] < 5:
                eventlet.sleep(0.01)
        [each.wait() for each in threads]
        print("all waited at once")
    """
    done = run(program, URL=servers.database_url("postgres", "postgres"))
    assert done.stdout.strip() == "all waited at once", done.stderr


def test_pipelines_work_and_carry_their_errors(servers):
    program = """
        from shared.runtime import green
        green.patch()
        import os, psycopg
        with psycopg.connect(os.environ["URL"], autocommit=True) as connection:
            with connection.pipeline():
                rows = [connection.execute("SELECT %s::int", (n,)) for n in range(100)]
            print(sum(row.fetchone()[0] for row in rows))
            try:
                with connection.pipeline():
                    connection.execute("SELECT 1/0")
                    connection.execute("SELECT 1")
            except psycopg.errors.DivisionByZero:
                print("divided")
            print(connection.execute("SELECT repeat('x', 5000000)").fetchone()[0].count("x"))
    """
    done = run(program, URL=servers.database_url("postgres", "postgres"))
    assert done.stdout.split() == ["4950", "divided", "5000000"], done.stderr


def test_a_process_that_imported_psycopg_too_early_does_not_start():
    done = run("import psycopg\nfrom shared.runtime import green\ngreen.patch()")
    assert done.returncode != 0
    assert "psycopg would block the hub" in done.stderr
