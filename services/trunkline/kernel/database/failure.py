"""What can go wrong with a database: at the start, and later."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from trunkline.kernel.errors import Unavailable


class DatabaseError(Exception):
    """A database cannot be opened.

    Args:
        what: one sentence: what is wrong.
        advice: one sentence: what to do.
    """

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice


class StoreUnavailable(Unavailable):
    """A database that was open does not answer, or is too busy; later it may.

    Whether a transaction that writes was committed is known only when it never came to
    its end: a connection that is lost during the commit leaves that open.

    Args:
        service: whose database it is.
    """

    def __init__(self, service: str) -> None:
        super().__init__(
            "STORE_UNAVAILABLE",
            f"The database of {service} does not answer now; try again.",
            retry_after=timedelta(seconds=1),
        )


# What a transaction can fail with that is not its body's own.
STORE_FAILURES: Final = (SQLAlchemyError, StoreUnavailable)
