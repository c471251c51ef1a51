"""Make the table of attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table, and what it is listed by: time, principal, user."""
    op.create_table(
        "attempt",
        sa.Column("run_id", sa.String(), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("principal", sa.String(), nullable=False),
        sa.Column("on_behalf_of", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("outcome", sa.Integer(), nullable=False),
        sa.Column("continuation", sa.Integer(), nullable=False),
        sa.Column("credential_scope", sa.Integer(), nullable=False),
        sa.Column("credential_id", sa.String(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("duration_ns", sa.BigInteger(), nullable=False),
        sa.Column("first_token_ns", sa.BigInteger(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_long_tokens", sa.BigInteger(), nullable=False),
        sa.Column("usage_source", sa.Integer(), nullable=False),
        sa.Column("cost_nanodollars", sa.BigInteger(), nullable=True),
        sa.Column("price_version", sa.String(), nullable=False),
        sa.Column("is_cost_estimated", sa.Boolean(), nullable=False),
        sa.Column("failure_kind", sa.Integer(), nullable=True),
        sa.Column("failure_status", sa.Integer(), nullable=False),
        sa.Column("failure_code", sa.String(), nullable=False),
        sa.Column("failure_message", sa.String(), nullable=False),
        sa.Column("is_mid_stream", sa.Boolean(), nullable=False),
    )
    newest = ("start_ns", "run_id", "number")
    op.create_index("ix_attempt_newest", "attempt", [*newest])
    op.create_index("ix_attempt_principal", "attempt", ["principal", *newest])
    op.create_index("ix_attempt_user", "attempt", ["principal", "on_behalf_of", *newest])
