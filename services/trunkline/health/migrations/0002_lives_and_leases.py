"""Number the changes of each database from a place of its own, and make the leases."""

from alembic import op

from trunkline.kernel.lease import create_leases
from trunkline.kernel.outbox import renumber

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Renumber the outbox and make the table of leases."""
    renumber(op, "revision", "outbox")
    create_leases(op)
