"""Settings of where a process keeps what its services own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from trunkline.kernel.database.postgres_url import read_postgres_url
from trunkline.kernel.settings import Settings


class DatabaseSettings(Settings):
    """Which database a process uses for each of its services."""

    database_url: SecretStr | None = Field(
        default=None,
        description="`postgresql://user:password@host/database?sslmode=verify-full`. Each"
        " service has a schema of its own there. Empty: SQLite in the data directory.",
    )
    database_password_file: Path | None = Field(
        default=None,
        description="File with the password for `database_url`, read at every connection.",
    )
    database_wait_s: float = Field(
        default=15.0,
        ge=0,
        description="How long, in seconds, a start waits for PostgreSQL to be there.",
    )
    database_pool_size: int = Field(
        default=8,
        ge=2,
        le=100,
        description="Connections to PostgreSQL for each service, beside one that listens.",
    )
    database_statement_timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=60,
        description="How long, in seconds, PostgreSQL may take for one statement.",
    )

    @field_validator("database_url", mode="before")
    @classmethod
    def _read_empty(cls, value: Any) -> Any:
        """Take an empty URL for none."""
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("database_url")
    @classmethod
    def _check_url(cls, value: SecretStr | None) -> SecretStr | None:
        """Refuse what is no URL of a PostgreSQL database."""
        if value is not None:
            read_postgres_url(value.get_secret_value())
        return value

    @field_validator("database_password_file")
    @classmethod
    def _check_one_password(cls, value: Path | None, about: ValidationInfo) -> Path | None:
        """Refuse a second password, and one for nothing."""
        if value is None or "database_url" not in about.data:
            return value
        url = about.data["database_url"]
        if url is None:
            raise ValueError("there is no database_url that it is for")
        if read_postgres_url(url.get_secret_value()).password is not None:
            raise ValueError("database_url holds a password already")
        return value
