"""What the models are given: checked, with one sentence for what cannot be, and collapsed to rows with counts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from retention_kit.errors import Listed, ModelError, Phrase

FEWEST = 20  # customers with a repeat purchase that a model is fitted to
KEYS = 2**62  # that one whole number can tell apart


class Rows(NamedTuple):
    """Different (x, t_x, T) in ascending order, and how many customers have each."""

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    counts: np.ndarray


def column(name: str, values: Any) -> np.ndarray:
    """Finite numbers of one dimension; whole numbers stay so."""
    try:
        found = np.asarray(values)
        if found.dtype.kind not in "iu":
            found = found.astype(float)
    except (TypeError, ValueError):
        raise ModelError("{name} has to hold numbers only.", name=name) from None
    if found.ndim != 1:
        raise ModelError(
            "{name} has to be one column of numbers, not of {dimensions} dimensions.", name=name, dimensions=found.ndim
        )
    if found.dtype.kind == "f":
        capitalised = name[:1].upper() + name[1:]
        _refuse(~np.isfinite(found), found, Phrase("{name} has to hold finite numbers", name=capitalised))
    return found


def same_length(**columns: np.ndarray) -> None:
    """Refuse columns of different lengths, and empty ones."""
    lengths = {name: len(found) for name, found in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ModelError(
            "Columns differ in length: {lengths}.", lengths=Listed((f"{n} has {k}" for n, k in lengths.items()))
        )
    if not all(lengths.values()):
        raise ModelError("There are no customers: {lengths} are empty.", lengths=Listed(lengths))


def counts_of(counts: Any, rows: int) -> np.ndarray | None:
    """How often each row occurs; None where it is once."""
    if counts is None:
        return None
    found = column("counts", counts)
    if len(found) != rows:
        raise ModelError(
            "Columns differ in length: counts has {rows_of_counts}, the others have {rows}.",
            rows_of_counts=len(found),
            rows=rows,
        )
    _refuse(found < 0, found, "Counts cannot be negative")
    if not (found > 0).any():
        raise ModelError("There are no customers: all counts are 0.")
    return found.astype(float)


def frequencies(frequency: Any) -> np.ndarray:
    """Numbers of repeat purchases."""
    x = column("frequency", frequency)
    wrong = x < 0
    if x.dtype.kind == "f":
        wrong |= x != np.floor(x)
    _refuse(wrong, x, "Frequency counts the purchases after the first: a whole number, 0 or more")
    return x


def purchases(frequency: Any, recency: Any, age: Any, counts: Any = None) -> Rows:
    """The rows of a model of purchases, collapsed; raises ModelError for what cannot be."""
    x, t_x, T = frequencies(frequency), column("recency", recency), column("T", age)
    same_length(frequency=x, recency=t_x, T=T)
    many = counts_of(counts, len(x))
    _refuse(t_x < 0, t_x, "Recency is the time from the first purchase to the last: 0 or more")
    slack = 1e-9 * float(T.max()) if T.dtype.kind == "f" or t_x.dtype.kind == "f" else 0
    _refuse(t_x > T + slack, t_x, "Recency cannot be larger than T, the time from the first purchase to the cut")
    _refuse((t_x == 0) & (x > 0), x, "A repeat purchase comes after the first: recency cannot be 0 with frequency")
    _refuse((t_x > 0) & (x == 0), t_x, "Without a repeat purchase recency has to be 0")
    return _collapsed(x, t_x, T, many)


def _refuse(wrong: np.ndarray, values: np.ndarray, fault: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        more = int(np.count_nonzero(wrong)) - 1
        template = "{fault}; it is {value:g} in row {row}, and in {more:,} more."
        if not more:
            template = "{fault}; it is {value:g} in row {row}."
        raise ModelError(template, fault=Phrase(fault), value=values[row], row=row + 1, more=more)


def _collapsed(x: np.ndarray, t_x: np.ndarray, T: np.ndarray, counts: np.ndarray | None) -> Rows:
    """Equal rows as one. One whole number stands for the three: sorting it is far faster than sorting rows."""
    (x_values, x_codes), (t_values, t_codes), (T_values, T_codes) = map(_coded, (x, t_x, T))
    size_t, size_T = len(t_values), len(T_values)
    if len(x_values) * size_t * size_T >= KEYS:  # hardly two are equal, so there is nothing to collapse
        order = np.lexsort((T, t_x, x))
        many = np.ones(len(x)) if counts is None else counts[order]
        return Rows(x[order].astype(float), t_x[order].astype(float), T[order].astype(float), many)
    key = x_codes.astype(np.int64)
    key *= size_t
    np.add(key, t_codes, out=key, casting="unsafe")
    key *= size_T
    np.add(key, T_codes, out=key, casting="unsafe")
    if counts is None:
        key.sort()
        begins = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
        many = np.diff(np.append(begins, len(key))).astype(float)
        key = key[begins]
    else:
        many = counts
        if not (key[1:] > key[:-1]).all():  # else they are collapsed
            key, inverse = np.unique(key, return_inverse=True)
            many = np.bincount(inverse, weights=counts)
        key, many = key[many > 0], many[many > 0]
    key, T_code = np.divmod(key, size_T)
    x_code, t_code = np.divmod(key, size_t)
    return Rows(x_values[x_code], t_values[t_code], T_values[T_code], many)


def _coded(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values that occur, ascending, and which one each row has; small whole numbers are their own code."""
    largest = float(values.max())
    if largest < 2**20 and (values.dtype.kind in "iu" or bool((values == np.floor(values)).all())):
        return np.arange(largest + 1), values
    found, codes = distinct(values)
    return found.astype(float), codes


def distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values that occur, ascending, and which one each row has: few are found faster than rows are ordered."""
    found = np.unique(values)
    if len(found) > len(values) / 8:
        return np.unique(values, return_inverse=True)
    return found, np.searchsorted(found, values)


def asked(least: float = 0.0, **values: Any) -> list[np.ndarray]:
    """What a fitted model is asked for, as numbers; refuses those below the least and those that are none."""
    found = []
    for name, value in values.items():
        try:
            numbers = np.asarray(value, dtype=float)
        except (TypeError, ValueError):
            raise ModelError("{name} has to hold numbers only.", name=name) from None
        if not (wanted := (numbers >= least) & np.isfinite(numbers)).all():
            first = numbers.ravel()[np.argmin(wanted)]
            raise ModelError(
                "{name} has to be a number from {least:g}; it is {first:g}.", name=name, least=least, first=first
            )
        found.append(numbers)
    return found


def thinned(rows: Rows, size: int) -> Rows:
    """About `size` customers of many, evenly through the order of rows: the same ones whatever order they came in."""
    total = np.cumsum(rows.counts)
    if total[-1] <= size:
        return rows
    places = (np.arange(size) + 0.5) * (total[-1] / size)
    chosen, many = np.unique(np.searchsorted(total, places), return_counts=True)
    return Rows(rows.x[chosen], rows.t_x[chosen], rows.T[chosen], many.astype(float))
