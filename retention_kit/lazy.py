"""Libraries that are imported when they are first used, as importing them takes long."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING


class _Lazy:
    """Stands for a library; each of its members is kept from the first use on."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, name: str) -> object:
        value = getattr(import_module(self._name), name)
        setattr(self, name, value)  # looked up once, as figures are many
        return value


if TYPE_CHECKING:
    import altair as alt
    import numpy as np
    import pandas as pd
else:
    alt, np, pd = map(_Lazy, ("altair", "numpy", "pandas"))

__all__ = ["alt", "np", "pd"]
