"""Which schema a database has, and which this program knows."""

from __future__ import annotations

from pathlib import Path

from trunkline.kernel.database.failure import DatabaseError


def is_newest(version: str | None, migrations: Path, *, database: str, advice: str) -> bool:
    """Tell whether a schema is the newest.

    Args:
        version: of the database; None: it is empty.
        migrations: the directory of the revisions.
        database: which it is, for people.
        advice: what else to do than to start the newer version.

    Raises:
        DatabaseError: this program does not know it: a newer one wrote it.
    """
    revisions = sorted(path.name.split("_")[0] for path in migrations.glob("[0-9]*.py"))
    if version is not None and version not in revisions:
        raise DatabaseError(
            f"The database {database} was written by a newer Trunkline"
            f" (schema {version}; this one knows up to {revisions[-1]}).",
            f"Start that version again, or {advice}.",
        )
    return version == revisions[-1]
