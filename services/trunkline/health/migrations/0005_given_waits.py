"""Keep until when a provider asked not to be asked, which may be before a route's deadline."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Take over the waits that providers gave."""
    until = sa.Column("given_until_ns", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("cooldown", until)
    op.execute("UPDATE cooldown SET given_until_ns = deadline_ns WHERE provider_given")
    op.drop_column("cooldown", "provider_given")
