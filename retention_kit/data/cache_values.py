"""Converts values of the cache to bytes and back, exactly; reading them runs no code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from importlib import import_module
from typing import Any

import msgspec

from retention_kit.lazy import np, pd

_PLAIN = (type(None), bool, float, str)
_NUMBERS = "biufmM"  # kinds of numpy types that are stored as their bytes
_PACKAGE = __name__.partition(".")[0] + "."


class NotKept(TypeError):
    """A value of a type that cannot be cached; it has to be computed again."""


def to_bytes(value: Any) -> bytes:
    """A value as bytes; raises `NotKept` if a part of it could not be restored exactly."""
    return msgspec.msgpack.encode(_written(value))


def from_bytes(content: bytes) -> Any:
    """The value that `to_bytes` converted; raises any exception if the bytes are no such value."""
    return _read(msgspec.msgpack.decode(content))


def _written(value: Any) -> Any:
    """Plain values unchanged, others as a list that begins with their kind."""
    kind = type(value)
    if kind in _PLAIN or (kind is int and -(2**63) <= value < 2**63):
        return value
    if kind in (list, tuple):
        return [kind.__name__, *map(_written, value)]
    if kind is dict:
        return ["dict", *(_written(part) for pair in value.items() for part in pair)]
    if kind in (date, datetime) and getattr(value, "tzinfo", None) is None:
        return [kind.__name__, value.isoformat()]
    if kind in (int, Decimal):
        return [kind.__name__, str(value)]
    if kind is pd.DataFrame:
        return _written_frame(value)
    if isinstance(value, np.generic) and value.dtype.kind in _NUMBERS:
        return ["number", value.dtype.str, value.tobytes()]
    if kind is np.ndarray and value.dtype.kind in _NUMBERS:
        return ["array", value.dtype.str, list(value.shape), np.ascontiguousarray(value).tobytes()]
    if not kind.__module__.startswith(_PACKAGE):
        raise NotKept(f"{kind.__module__}.{kind.__qualname__}")
    name = f"{kind.__module__}:{kind.__qualname__}"
    if issubclass(kind, str):
        return ["text", name, "".join(value), _written(vars(value))]
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return ["record", name, *map(_written, value)]
    if is_dataclass(kind):
        return ["object", name, *(_written(getattr(value, field.name)) for field in fields(kind))]
    raise NotKept(name)


def _written_frame(frame: Any) -> list:
    index = frame.index
    if type(index) is not pd.RangeIndex or index.name is not None or frame.columns.names != [None]:
        raise NotKept("index")
    columns = [[_written(name), _written_column(frame.iloc[:, number])] for number, name in enumerate(frame.columns)]
    return ["frame", [index.start, index.stop, index.step], _written(dict(frame.attrs)), *columns]


def _written_column(column: Any) -> list:
    kind = column.dtype
    if isinstance(kind, np.dtype) and kind.kind in _NUMBERS:
        return ["array", kind.str, [len(column)], np.ascontiguousarray(column.to_numpy()).tobytes()]
    if isinstance(kind, pd.StringDtype):
        texts = column.astype(object)
        return ["texts", kind.storage, kind.na_value is pd.NA, texts.where(texts.notna(), None).tolist()]
    if str(kind) == "object":
        return ["cells", *map(_written, column.tolist())]
    raise NotKept(str(kind))


def _read(tree: Any) -> Any:
    return _READERS[tree[0]](*tree[1:]) if type(tree) is list else tree


def _read_pairs(*parts: Any) -> dict:
    values = [*map(_read, parts)]
    return dict(zip(values[::2], values[1::2], strict=True))


def _read_array(kind: str, shape: list[int], content: bytes) -> Any:
    return np.frombuffer(content, kind).reshape(shape).copy()


def _read_frame(index: list[int], attrs: Any, *columns: Any) -> Any:
    series = [_read_column(*column) for _, column in columns]
    frame = pd.DataFrame(dict(enumerate(series)), index=pd.RangeIndex(*index))
    frame.columns = pd.Index([_read(name) for name, _ in columns])
    frame.attrs = _read(attrs)
    return frame


def _read_column(kind: str, *parts: Any) -> Any:
    if kind == "array":
        return _read_array(*parts)
    if kind == "texts":
        storage, is_na, values = parts
        return pd.array(values, dtype=pd.StringDtype(storage, pd.NA if is_na else np.nan))
    cells = np.empty(len(parts), dtype=object)
    cells[:] = [*map(_read, parts)]
    return pd.Series(cells, dtype=object)


def _class_of(name: str, base: type) -> Any:
    """A class of ours by its name; raises where it is another's, or no such class."""
    module, _, path = name.partition(":")
    class_ = getattr(import_module(module), path) if module.startswith(_PACKAGE) else None
    if not (isinstance(class_, type) and (issubclass(class_, base) if base is not object else is_dataclass(class_))):
        raise NotKept(name)
    return class_


def _read_text(name: str, text: str, values: Any) -> Any:
    result = str.__new__(_class_of(name, str), text)
    vars(result).update(_read(values))
    return result


def _read_object(name: str, *values: Any) -> Any:
    kind = _class_of(name, object)
    result = object.__new__(kind)
    for field, value in zip(fields(kind), values, strict=True):
        object.__setattr__(result, field.name, _read(value))
    return result


_READERS: dict[str, Callable] = {
    "list": lambda *parts: [*map(_read, parts)],
    "tuple": lambda *parts: tuple(map(_read, parts)),
    "dict": _read_pairs,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "int": int,
    "Decimal": Decimal,
    "frame": _read_frame,
    "number": lambda kind, content: _read_array(kind, [], content)[()],
    "array": _read_array,
    "text": _read_text,
    "record": lambda name, *parts: _class_of(name, tuple)._make(map(_read, parts)),
    "object": _read_object,
}
