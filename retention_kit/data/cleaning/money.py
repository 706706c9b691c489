"""Formats amounts in findings of cleaning."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from retention_kit.errors import SettingsError
from retention_kit.wording import Written, money_decimals


class Money(NamedTuple):
    """A format of amounts: the report's currency, its decimals, and the units in a minor unit."""

    currency: str
    decimals: int
    scale: int

    def format(self, units: int | Decimal, currency: str | None) -> str:
        """Format units as `1,234.50 GBP`, each in its own currency, as excluded rows are not converted."""
        amount = Decimal(units) / (10**self.decimals * self.scale)
        code = currency or self.currency
        try:
            decimals = money_decimals(code)
        except SettingsError:  # an unknown currency
            return f"{amount:,.2f} {code}"
        amount = round(amount, decimals)
        return Written(f"{amount:,.{decimals}f}" + (f" {code}" if code != "XXX" else ""), amount, "money", code)
