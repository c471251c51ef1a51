"""Make the tables of providers, models and routes, and of what is told of them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables, with the revision counter at 1, since 0 means that nothing was seen."""
    op.create_table(
        "provider",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("type", sa.String(), nullable=False, index=True),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("base_url", sa.String(), nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("headers", sa.String(), nullable=False),
        sa.Column("streaming", sa.Boolean(), nullable=True),
        sa.Column("default_model", sa.String(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("etag", sa.String(), nullable=False),
        sa.Column("create_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("update_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("refresh_time_ns", sa.BigInteger(), nullable=True),
        sa.Column("list_trouble", sa.String(), nullable=False),
        sa.Column("list_key", sa.String(), nullable=False),
        sa.Column("published", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "model",
        sa.Column("provider", sa.String(), primary_key=True),
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("manual", sa.LargeBinary(), nullable=False),
        sa.Column("reported", sa.LargeBinary(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("deployment_default", sa.Boolean(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("etag", sa.String(), nullable=False),
        sa.Column("create_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("update_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("published", sa.LargeBinary(), nullable=False),
    )
    op.create_index(
        "model_one_default",
        "model",
        ["deployment_default"],
        unique=True,
        sqlite_where=sa.text("deployment_default"),
        postgresql_where=sa.text("deployment_default"),
    )
    op.create_table(
        "route",
        sa.Column("target", sa.String(), primary_key=True),
        sa.Column("published", sa.LargeBinary(), nullable=False),
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
