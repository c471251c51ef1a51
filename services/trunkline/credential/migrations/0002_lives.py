"""Number the changes of each database from a place of its own."""

from alembic import op

from trunkline.kernel.outbox import renumber

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Renumber both outboxes."""
    for subject in ("credential", "access"):
        renumber(op, f"{subject}_revision", f"{subject}_outbox")
