"""How amounts are written in what cleaning tells."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from retention_kit.errors import SettingsError
from retention_kit.wording import Written, money_decimals


class Money(NamedTuple):
    """How amounts are written: the report's currency, its decimals and the units of a minor unit."""

    currency: str
    decimals: int
    scale: int

    def format(self, units: int | Decimal, currency: str | None) -> str:
        """`1,234.50 GBP`; each currency by its own name, since what is set aside is never converted."""
        amount = Decimal(units) / (10**self.decimals * self.scale)
        code = currency or self.currency
        try:
            decimals = money_decimals(code)
        except SettingsError:  # no currency that anybody knows
            return f"{amount:,.2f} {code}"
        amount = round(amount, decimals)
        return Written(f"{amount:,.{decimals}f}" + (f" {code}" if code != "XXX" else ""), amount, "money", code)
