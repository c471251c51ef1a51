"""Make the tables of credentials, access tokens and what is told of them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables, with each revision counter at 1, since 0 means that nothing was seen."""
    op.create_table(
        "credential",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("on_behalf_of", sa.String(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("base_url", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("organization", sa.String(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("verification", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("create_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("update_time_ns", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("provider", "owner", "on_behalf_of"),
    )
    op.create_table(
        "access_token",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("principal", sa.String(), nullable=False, index=True),
        sa.Column("role", sa.Integer(), nullable=False),
        sa.Column("scope", sa.LargeBinary(), nullable=True),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False, index=True),
        sa.Column("create_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("expire_time_ns", sa.BigInteger(), nullable=True),
        sa.Column("revoke_time_ns", sa.BigInteger(), nullable=True),
    )
    for subject in ("credential", "access"):
        counter = op.create_table(
            f"{subject}_revision",
            sa.Column("id", sa.Integer(), primary_key=True),
            sa.Column("value", sa.Integer(), nullable=False),
        )
        op.bulk_insert(counter, [{"id": 1, "value": 1}])
        op.create_table(
            f"{subject}_outbox",
            sa.Column("revision", sa.Integer(), primary_key=True, autoincrement=False),
            sa.Column("payload", sa.LargeBinary(), nullable=False),
        )
