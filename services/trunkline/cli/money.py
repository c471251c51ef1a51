"""Money as people read it: nano-dollars in dollars."""

from __future__ import annotations

from decimal import Decimal


def name_dollars(nanodollars: int, *, estimated: bool = False) -> str:
    """Return an amount, to a millionth of a dollar; an estimate is marked."""
    about = "~" if estimated else ""
    return f"{about}${Decimal(nanodollars).scaleb(-9):,.6f}"


def name_rate(nanodollars: int) -> str:
    """Return what a million tokens cost, without zeros that say nothing."""
    amount = f"{Decimal(nanodollars).scaleb(-9):,f}"
    whole, _, rest = amount.partition(".")
    rest = rest.rstrip("0")
    # Dollars and cents, or as fine as the price is.
    return f"${whole}.{rest.ljust(2, '0')}" if rest else f"${whole}"
