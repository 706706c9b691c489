"""Validates the inputs of models, and collapses equal rows to one with a count."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from retention_kit.errors import Listed, ModelError, Phrase

FEWEST = 20  # repeat buyers that a model needs
KEYS = 2**62  # largest number of keys in one integer
ONE_THREAD = 10_000  # products that OpenBLAS adds up in one thread


class Rows(NamedTuple):
    """Unique (x, t_x, T) in ascending order, and the number of customers with each."""

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    counts: np.ndarray


def column(name: str, values: Any) -> np.ndarray:
    """A one-dimensional array of finite numbers; integers stay integers. Raises ModelError."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "iu":
            array = array.astype(float)
    except (TypeError, ValueError):
        raise ModelError("{name} has to hold numbers only.", name=name) from None
    if array.ndim != 1:
        template = "{name} has to be one column of numbers, not of {dimensions} dimensions."
        raise ModelError(template, name=name, dimensions=array.ndim)
    if array.dtype.kind == "f":
        capitalised = name[:1].upper() + name[1:]
        _refuse(~np.isfinite(array), array, Phrase("{name} has to hold finite numbers", name=capitalised))
    return array


def same_length(**columns: np.ndarray) -> None:
    """Raise ModelError for columns of different lengths, and for empty ones."""
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        template = "Columns differ in length: {lengths}."
        raise ModelError(template, lengths=Listed((f"{n} has {k}" for n, k in lengths.items())))
    if not all(lengths.values()):
        raise ModelError("There are no customers: {lengths} are empty.", lengths=Listed(lengths))


def counts_of(counts: Any, rows: int) -> np.ndarray | None:
    """The multiplicities of rows; None if these are 1."""
    if counts is None:
        return None
    array = column("counts", counts)
    if len(array) != rows:
        template = "Columns differ in length: counts has {rows_of_counts}, the others have {rows}."
        raise ModelError(template, rows_of_counts=len(array), rows=rows)
    _refuse(array < 0, array, "Counts cannot be negative")
    if not (array > 0).any():
        raise ModelError("There are no customers: all counts are 0.")
    return array.astype(float)


def frequencies(frequency: Any) -> np.ndarray:
    """Numbers of repeat purchases; raises ModelError for other values than non-negative integers."""
    x = column("frequency", frequency)
    wrong = x < 0
    if x.dtype.kind == "f":
        wrong |= x != np.floor(x)
    _refuse(wrong, x, "Frequency counts the purchases after the first: a whole number, 0 or more")
    return x


def purchases(frequency: Any, recency: Any, age: Any, counts: Any = None) -> Rows:
    """The collapsed rows of a model of purchases; raises ModelError for impossible values."""
    x, t_x, T = frequencies(frequency), column("recency", recency), column("T", age)
    same_length(frequency=x, recency=t_x, T=T)
    many = counts_of(counts, len(x))
    _refuse(t_x < 0, t_x, "Recency is the time from the first purchase to the last: 0 or more")
    slack = 1e-9 * float(T.max()) if T.dtype.kind == "f" or t_x.dtype.kind == "f" else 0
    _refuse(t_x > T + slack, t_x, "Recency cannot be larger than T, the time from the first purchase to the cut")
    _refuse((t_x == 0) & (x > 0), x, "A repeat purchase comes after the first: recency cannot be 0 with frequency")
    _refuse((t_x > 0) & (x == 0), t_x, "Without a repeat purchase recency has to be 0")
    return _collapse(x, t_x, T, many)


def _refuse(wrong: np.ndarray, values: np.ndarray, fault: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        more = int(np.count_nonzero(wrong)) - 1
        template = "{fault}; it is {value:g} in row {row}, and in {more:,} more."
        if not more:
            template = "{fault}; it is {value:g} in row {row}."
        raise ModelError(template, fault=Phrase(fault), value=values[row], row=row + 1, more=more)


def _collapse(x: np.ndarray, t_x: np.ndarray, T: np.ndarray, counts: np.ndarray | None) -> Rows:
    """Collapse equal rows. Each is encoded as one integer, as sorting these is much faster."""
    (x_values, x_codes), (t_values, t_codes), (T_values, T_codes) = map(_encode, (x, t_x, T))
    size_t, size_T = len(t_values), len(T_values)
    if len(x_values) * size_t * size_T >= KEYS:  # hardly any rows are equal
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
        if not (key[1:] > key[:-1]).all():  # otherwise rows are unique
            key, inverse = np.unique(key, return_inverse=True)
            many = np.bincount(inverse, weights=counts)
        key, many = key[many > 0], many[many > 0]
    key, T_code = np.divmod(key, size_T)
    x_code, t_code = np.divmod(key, size_t)
    return Rows(x_values[x_code], t_values[t_code], T_values[T_code], many)


def _encode(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values in ascending order, and the index of each row's value; small integers are their own index."""
    largest = float(values.max())
    if largest < 2**20 and (values.dtype.kind in "iu" or bool((values == np.floor(values)).all())):
        return np.arange(largest + 1), values
    unique, codes = distinct(values)
    return unique.astype(float), codes


def distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The unique values in ascending order, and the index of each row's value; fast if there are few."""
    unique = np.unique(values)
    if len(unique) > len(values) / 8:
        return np.unique(values, return_inverse=True)
    return unique, np.searchsorted(unique, values)


def dot(left: np.ndarray, right: np.ndarray) -> float:
    """The sum of products, in equal parts of one thread each: faster, and the same on any number of cores."""
    parts = max(-(-len(left) // ONE_THREAD), 1)
    return float(sum(map(np.dot, np.array_split(left, parts), np.array_split(right, parts))))


def as_numbers(least: float = 0.0, **values: Any) -> list[np.ndarray]:
    """The arguments of a model's method as arrays; raises ModelError for values below `least` and for other types."""
    arrays = []
    for name, value in values.items():
        try:
            numbers = np.asarray(value, dtype=float)
        except (TypeError, ValueError):
            raise ModelError("{name} has to hold numbers only.", name=name) from None
        if not (is_valid := (numbers >= least) & np.isfinite(numbers)).all():
            first = numbers.ravel()[np.argmin(is_valid)]
            template = "{name} has to be a number from {least:g}; it is {first:g}."
            raise ModelError(template, name=name, least=least, first=first)
        arrays.append(numbers)
    return arrays


def sample_rows(rows: Rows, size: int) -> Rows:
    """A sample of about `size` customers, evenly spaced in the order of rows, so that it is reproducible."""
    total = np.cumsum(rows.counts)
    if total[-1] <= size:
        return rows
    points = (np.arange(size) + 0.5) * (total[-1] / size)
    chosen, many = np.unique(np.searchsorted(total, points), return_counts=True)
    return Rows(rows.x[chosen], rows.t_x[chosen], rows.T[chosen], many.astype(float))
