"""Make the table of fallback chains."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "chain",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("candidates", sa.LargeBinary(), nullable=False),
        sa.Column("balance", sa.Integer(), nullable=False),
        sa.Column("fall_back_on_credential_failure", sa.Boolean(), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("etag", sa.String(), nullable=False),
        sa.Column("update_time_ns", sa.BigInteger(), nullable=False),
    )
