"""Make the table of past probes."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table and its index."""
    op.create_table(
        "snapshot",
        sa.Column("time_ns", sa.BigInteger(), primary_key=True),
        sa.Column("provider", sa.String(), primary_key=True),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("snapshot", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_snapshot_provider", "snapshot", ["provider", "time_ns", "status"])
