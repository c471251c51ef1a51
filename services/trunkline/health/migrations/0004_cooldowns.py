"""Make the table of routes that cool."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "cooldown",
        sa.Column("model", sa.String(), primary_key=True),
        sa.Column("credential_id", sa.String(), primary_key=True),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("deadline_ns", sa.BigInteger(), nullable=False),
        sa.Column("provider_given", sa.Boolean(), nullable=False),
        sa.Column("trial_id", sa.String(), nullable=False),
        sa.Column("trial_end_ns", sa.BigInteger(), nullable=False),
        sa.Column("key_version", sa.BigInteger(), nullable=False),
        sa.Column("key_proof_ns", sa.BigInteger(), nullable=False),
        sa.Column("list_ns", sa.BigInteger(), nullable=False),
    )
