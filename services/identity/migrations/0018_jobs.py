"""Scheduled work of identity."""

from alembic import context

from shared.work.ddl import create_jobs

revision = "identity_0018"
down_revision = "identity_0017"


def upgrade() -> None:
    create_jobs(context.config.attributes["roles"]["service"])
