"""Aggregates of a relation that several callers need, computed in one query."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from retention_kit.data.engines.protocol import Engine


class AggregateBatch:
    """Aggregates of a relation, computed in one query when the first of them is needed."""

    def __init__(self, engine: Engine, relation: str):
        self._engine, self._relation = engine, relation
        self._pending: dict[str, None] = {}
        self._results: dict[str, Any] = {}

    def add(self, aggregate: str) -> Callable[[], Any]:
        """Add an aggregate, as SQL of the relation's columns; returns a function that gives its value."""
        if aggregate not in self._results:
            self._pending[aggregate] = None
        return partial(self._result, aggregate)

    def _result(self, aggregate: str) -> Any:
        if aggregate not in self._results:
            pending, self._pending = [*self._pending], {}
            columns = ", ".join(f"{sql} AS aggregate_{number}" for number, sql in enumerate(pending))
            (row,) = self._engine.rows(f"SELECT {columns} FROM {self._relation} AS aggregated")
            self._results |= zip(pending, row, strict=True)
        return self._results[aggregate]
