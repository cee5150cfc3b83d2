"""The table of scheduled work, which each service that has some creates in its own schema."""

from __future__ import annotations

from alembic import op


def create_jobs(role: str) -> None:
    """Create the jobs, and grant `role` to keep them."""
    op.execute("""
        CREATE TABLE jobs (
            kind text NOT NULL,
            key text NOT NULL,
            due_at timestamptz NOT NULL,
            priority smallint NOT NULL DEFAULT 0,
            about jsonb NOT NULL DEFAULT '{}',
            attempts integer NOT NULL DEFAULT 0,
            lease bigint,
            leased_until timestamptz,
            parked_at timestamptz,
            reason text,
            PRIMARY KEY (kind, key),
            CHECK ((lease IS NULL) = (leased_until IS NULL)),
            CHECK ((parked_at IS NULL) = (reason IS NULL))
        )
    """)
    op.execute("CREATE INDEX jobs_due ON jobs (priority DESC, due_at) WHERE parked_at IS NULL")
    op.execute("CREATE SEQUENCE job_leases")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON jobs TO {role}")
    op.execute(f"GRANT USAGE ON SEQUENCE job_leases TO {role}")
