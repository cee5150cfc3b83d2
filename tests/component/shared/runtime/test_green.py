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
        env={**os.environ, **environment},
    )


def test_queries_of_green_threads_wait_side_by_side(servers):
    """Each thread sees the others waiting in the server while it waits itself."""
    program = """
        from shared.runtime import green
        green.patch()
        import os, eventlet, psycopg

        def rest():
            with psycopg.connect(os.environ["URL"], application_name="resting") as connection:
                connection.execute("SELECT pg_sleep(1)")

        def seen():
            with psycopg.connect(os.environ["URL"]) as connection:
                query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'resting' AND state = 'active'"
                return max(connection.execute(query).fetchone()[0] for _ in range(50) if not eventlet.sleep(0.01))

        resting = [eventlet.spawn(rest) for _ in range(5)]
        print(seen())
        [each.wait() for each in resting]
    """
    done = run(program, URL=servers.database_url("postgres", "postgres"))
    assert done.stdout.strip() == "5", done.stderr


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
