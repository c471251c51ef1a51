"""Let a provider have several keys, told apart by label, and make the table of content keys."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# As PostgreSQL named it; on SQLite it has no name, and is found by this convention.
_ONE_KEY = "credential_provider_owner_on_behalf_of_key"


def upgrade() -> None:
    """Label the keys that there are, and allow others beside them."""
    if op.get_bind().dialect.name == "sqlite":
        # The table is made anew: what the old one held must not linger in free pages, where
        # it would outlive a credential's deletion.
        op.execute("PRAGMA secure_delete=ON")
    with op.batch_alter_table("credential", naming_convention={"uq": _ONE_KEY}) as credential:
        label = sa.Column("label", sa.String(), nullable=False, server_default="default")
        rank = sa.Column("rank", sa.Integer(), nullable=False, server_default="0")
        credential.add_column(label)
        credential.add_column(rank)
        credential.drop_constraint(_ONE_KEY, type_="unique")
        credential.create_unique_constraint(
            "credential_label_key", ["provider", "owner", "on_behalf_of", "label"]
        )
    op.create_table(
        "content_key",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("create_time_ns", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("purpose", "generation", name="content_key_generation_key"),
    )
