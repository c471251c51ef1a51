"""Make the tables of providers' states and of their traffic, and of what is told of them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables, with the revision counter at 1, since 0 means that nothing was seen."""
    op.create_table(
        "provider",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("state", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "traffic",
        sa.Column("model", sa.String(), primary_key=True),
        sa.Column("minute", sa.BigInteger(), primary_key=True, index=True),
        sa.Column("tally", sa.LargeBinary(), nullable=False),
    )
    counter = op.create_table(
        "revision",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("value", sa.Integer(), nullable=False),
    )
    op.bulk_insert(counter, [{"id": 1, "value": 1}])
    op.create_table(
        "outbox",
        sa.Column("revision", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
    )
