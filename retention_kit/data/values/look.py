"""One look at a relation for all who ask something of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from retention_kit.data.engines.protocol import Engine


class Look:
    """Aggregates of a relation, found in one query as soon as the first of them is needed."""

    def __init__(self, engine: Engine, relation: str):
        self._engine, self._relation = engine, relation
        self._open: dict[str, None] = {}
        self._found: dict[str, Any] = {}

    def ask(self, aggregate: str) -> Callable[[], Any]:
        """Ask for an aggregate, as SQL of the relation's columns; the function that comes back gives its value."""
        if aggregate not in self._found:
            self._open[aggregate] = None
        return partial(self._answer, aggregate)

    def _answer(self, aggregate: str) -> Any:
        if aggregate not in self._found:
            asked, self._open = [*self._open], {}
            columns = ", ".join(f"{sql} AS asked_{number}" for number, sql in enumerate(asked))
            (row,) = self._engine.rows(f"SELECT {columns} FROM {self._relation} AS looked_at")
            self._found |= zip(asked, row, strict=True)
        return self._found[aggregate]
