"""Scheduled work of identity."""

from alembic import context

from shared.work.ddl import create_jobs

revision = "identity_0030"
down_revision = "identity_0014"


def upgrade() -> None:
    create_jobs(context.config.attributes["roles"]["service"])
