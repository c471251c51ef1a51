"""Keep beside each model what packaged data say of it; who opens the catalog next asks them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Begin with nothing known, of no data."""
    # SQLite gives a text back for a text.
    nothing = "x''" if op.get_bind().dialect.name == "sqlite" else "''"
    known = sa.Column("known", sa.LargeBinary(), nullable=False, server_default=sa.text(nothing))
    op.add_column("model", known)
    version = sa.Column("known_version", sa.String(), nullable=False, server_default="")
    op.add_column("model", version)
