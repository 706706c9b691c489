"""Types SQL expressions of users on columns of text: operands of computations are read as numbers, others stay text.

The embedded engine's parser gives the syntax tree of an expression, and its binder the type of each part. Numbers are
read like amounts (`amounts.py`): each text by all of its values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import partial
from typing import Any

from retention_kit.data.checks import Finding
from retention_kit.data.engines.duckdb import DuckDB
from retention_kit.data.engines.protocol import Engine
from retention_kit.data.engines.sql_text import NUMERIC, literal
from retention_kit.data.values.amounts import Hints, read_numbers
from retention_kit.data.values.expressions import advice, close_column, find_fault
from retention_kit.errors import DataError, Phrase
from retention_kit.wording import Sentence, Verbatim

_ARITHMETIC = {"+", "-", "*", "/", "//", "%", "**", "^"}
_UNIFIED = {
    "greatest": 0,
    "least": 0,
    "nullif": 0,
    "if": 1,
}  # functions with arguments of one type, and the first of these
_COMPARISONS = {
    "COMPARE_LESSTHAN": "<",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
}
_TIMES = ("DATE", "TIMESTAMP")


def columns_in(engine: DuckDB, text: str) -> set[str]:
    """The columns in an expression, as it spells them; empty if it is no SQL."""
    try:
        tree = _parse(engine, text)
        return set() if tree is None else _references(_root(tree))
    except RecursionError:  # `type_expression` says so
        return set()


def type_expression(engine: Engine, text: str, relation: str, label: str, hints: Hints) -> tuple[str, list[Finding]]:
    """An expression on a relation's columns, with texts converted to numbers, times or booleans if combined with such;
    and findings. Unchanged on other engines than the embedded one.

    `label` is the name of the expression in messages. Raises DataError if it is no expression or needs more than its
    row, and if the values of a text that is used as a number have different formats.
    """
    if not isinstance(engine, DuckDB):
        return text, []
    try:
        return _type_expression(engine, text, relation, label, hints)
    except RecursionError:
        template = "{label} holds too many operations within one another: write it as columns of a query."
        raise DataError(template, label=label) from None


def _type_expression(engine: DuckDB, text: str, relation: str, label: str, hints: Hints) -> tuple[str, list[Finding]]:
    columns = engine.types(relation)
    tree = _parse(engine, text)
    if nearest := close_column(text, columns) if tree is None else "":
        template = "{label} is neither a column nor an SQL expression: did you mean {nearest!r}?"
        raise DataError(template, label=label, nearest=nearest)
    if tree is None:
        template = "{label} is no SQL expression{where}: {hint}"
        raise DataError(template, label=label, where=_error_position(engine, text), hint=advice(_near(columns, text)))
    fault, inner = find_fault(engine, _root(tree))
    if fault:
        alone = _to_sql(engine, inner) if inner else ""
        template = "{label} {fault}: {hint}"
        raise DataError(template, label=label, fault=Phrase(fault), hint=advice(_near(columns, text), alone))
    before = json.dumps(tree)
    typing = _Typing(engine, relation, columns, label, hints)
    try:
        root = typing.visit(_root(tree))
    except engine.error:
        return text, []
    _set_root(tree, root)
    return (text if json.dumps(tree) == before else _deserialize(engine, tree)), [*typing.findings.values()]


def _near(columns: Iterable[str], text: str) -> list[str]:
    """The columns named in a text, else all of them."""
    return [name for name in columns if name.lower() in text.lower()] or [*columns]


def _error_position(engine: DuckDB, text: str) -> str:
    """The position of a syntax error, as a part of a message."""
    serialized = _serialize(engine, text)
    error = json.loads(serialized)
    if not error["error"]:
        return Phrase(" but more")
    if near := re.search(r'at or near "(.+)"', error["error_message"]):
        return Phrase(", at {text!r}", text=near[1])
    return Phrase(", with an {error}", error=error["error_message"]) if "unterminated" in serialized else ""


def _to_sql(engine: DuckDB, node: dict) -> str:
    """A node as SQL."""
    tree = _parse(engine, "NULL")
    assert tree is not None  # NULL is an expression
    _set_root(tree, node)
    return _deserialize(engine, tree)


class _Typing:
    """Types the nodes of one expression, from the inside out."""

    def __init__(self, engine: DuckDB, relation: str, columns: dict[str, str], label: str, hints: Hints):
        self._engine, self._relation, self._label, self._hints = engine, relation, label, hints
        self._columns = tuple(columns.items())
        self.findings: dict[str, Finding] = {}  # by text

    def visit(self, node: Any) -> Any:
        """A node, or list of nodes, with converted texts."""
        if isinstance(node, list):
            return [self.visit(part) for part in node]
        if not isinstance(node, dict) or node.get("class") in ("SUBQUERY", "LAMBDA", "TYPE"):
            return node
        node = {key: self.visit(part) for key, part in node.items()}
        match node.get("class"):
            case "FUNCTION":
                return self._function(node)
            case "CAST":  # a value that does not fit is missing, and counted
                node["try_cast"] = True
            case "COMPARISON":
                return self._comparison(node)
            case "BETWEEN":
                node["input"], node["lower"], node["upper"] = self._unify([node["input"], node["lower"], node["upper"]])
            case "OPERATOR" if node["type"] in ("COMPARE_IN", "COMPARE_NOT_IN", "OPERATOR_COALESCE"):
                first, *others = self._unify(node["children"])
                if node["type"] != "OPERATOR_COALESCE" and any(map(_is_blank, others)):
                    first = self._blank(first)
                node["children"] = [first, *others]
            case "OPERATOR" if node["type"] == "OPERATOR_NOT":
                node["children"] = [self._truth(part) for part in node["children"]]
            case "CONJUNCTION":
                node["children"] = [self._truth(part) for part in node["children"]]
            case "CASE":
                checks = node["case_checks"]
                *thens, other = self._unify([*(check["then_expr"] for check in checks), node["else_expr"]])
                for check, then in zip(checks, thens, strict=True):
                    check["then_expr"], check["when_expr"] = then, self._truth(check["when_expr"])
                node["else_expr"] = other
        return node

    def _function(self, node: dict) -> dict:
        if node["function_name"] == "strptime":
            node |= {"function_name": "try_strptime", "qualified_name": {"path": ["try_strptime"]}}
        arguments = [part["expression"] for part in node["arguments"]]
        texts = [self._is_text(part) for part in arguments]
        if not any(texts):
            return node
        if node["function_name"] in _UNIFIED:
            start = _UNIFIED[node["function_name"]]
            return _with(node, [*arguments[:start], *self._unify(arguments[start:])])
        if node.get("is_operator") and node["function_name"] in _ARITHMETIC:
            others = [self._kind(part) for part, is_text in zip(arguments, texts, strict=True) if not is_text]
            is_time = any(kind.startswith(("INTERVAL", *_TIMES)) for kind in others)
        elif self._binds(node):
            return node
        else:
            is_time = False
        convert = partial(self._expand, "TRY_CAST(_a AS TIMESTAMP)") if is_time else self._number
        tried = _with(
            node, [convert(_a=part) if is_text else part for part, is_text in zip(arguments, texts, strict=True)]
        )
        return tried if self._binds(tried) else node

    def _comparison(self, node: dict) -> dict:
        left, right = node["left"], node["right"]
        if node["type"] in _COMPARISONS and self._is_text(left) and self._is_text(right):
            # Two columns: as numbers where both hold one, else as texts.
            sign = _COMPARISONS[node["type"]]
            return self._expand(
                f"CASE WHEN _m IS NOT NULL AND _n IS NOT NULL THEN _m {sign} _n ELSE _a {sign} _b END",
                _a=left,
                _b=right,
                _m=self._number(left),
                _n=self._number(right),
            )
        left, right = self._unify([left, right])
        if node["type"] not in _COMPARISONS and (_is_blank(left) or _is_blank(right)):
            left, right = self._blank(left), self._blank(right)
        return node | {"left": left, "right": right}

    def _unify(self, nodes: list[dict]) -> list[dict]:
        """Nodes with texts converted to the type of the others; unchanged if one is a text constant."""
        kinds = [None if _is_null(node) else self._kind(node) for node in nodes]
        others = [kind for kind in kinds if kind and kind != "VARCHAR"]
        has_constant = any(kind == "VARCHAR" and _is_constant(node) for kind, node in zip(kinds, nodes, strict=True))
        if not others or has_constant:
            return nodes
        if all(kind.startswith(NUMERIC) for kind in others):
            convert = self._number
        elif all(kind == "BOOLEAN" for kind in others) or all(kind.startswith(_TIMES) for kind in others):
            convert = partial(self._expand, f"TRY_CAST(_a AS {max(others, key=len)})")
        else:
            return nodes
        return [convert(_a=node) if kind == "VARCHAR" else node for kind, node in zip(kinds, nodes, strict=True)]

    def _number(self, _a: dict) -> dict:
        """A text as a number, by the format of all of its values."""
        column = self._sql(_a)
        text = f"nullif(trim({column}), '')"
        number = read_numbers(self._engine, self._relation, text, f"{self._label}: {column}", self._hints)
        if number.assumed:
            detail = Sentence.joined(Verbatim(column), number.assumed)
            self.findings[column] = Finding("number that may be read in two ways", number.open_rows, detail)
        template = "as_number(_a)" if number.is_plain else f"TRY_CAST({number.sql('trim(_a)')} AS DOUBLE)"
        return self._expand(template, _a=_a)

    def _truth(self, node: dict) -> dict:
        return self._expand("TRY_CAST(_a AS BOOLEAN)", _a=node) if self._is_text(node) else node

    def _blank(self, node: dict) -> dict:
        """A text in which NULL, an empty cell, equals ''."""
        return self._expand("coalesce(_a, '')", _a=node) if self._is_text(node) else node

    def _is_text(self, node: dict) -> bool:
        return not _is_constant(node) and self._kind(node) == "VARCHAR"

    def _kind(self, node: dict) -> str:
        if _is_constant(node) and node["literal"]["kind"] == "STRING":
            return "VARCHAR"
        text = self._sql(node)
        key = (text, self._columns)
        if key not in _KINDS:
            types = self._engine.types(f"(SELECT {text} AS said FROM {self._relation} AS _theirs)")
            _store(_KINDS, key, [tuple(types.values())])
        return _KINDS[key]

    def _binds(self, node: dict) -> bool:
        try:
            self._kind(node)
        except self._engine.error:
            return False
        return True

    def _sql(self, node: dict) -> str:
        return _to_sql(self._engine, node)

    def _expand(self, template: str, **nodes: dict) -> dict:
        tree = _parse(self._engine, template)
        assert tree is not None, template
        return _substitute(_root(tree), nodes)


def _parse(engine: DuckDB, text: str) -> dict | None:
    """The statement `SELECT text` as the engine's parser sees it, if it is one expression."""
    tree = json.loads(_serialize(engine, text))
    if tree["error"] or len(tree["statements"]) != 1:
        return None
    select = tree["statements"][0]["node"]
    if select.get("type") != "SELECT_NODE" or len(select["select_list"]) != 1:
        return None
    clauses = ("modifiers", "where_clause", "group_expressions", "having", "qualify", "sample")
    has_more = select["from_table"].get("type") != "EMPTY" or any(select[clause] for clause in clauses)
    return None if has_more or _root(tree)["alias"] else tree


def _deserialize(engine: DuckDB, tree: dict) -> str:
    serialized = json.dumps(tree)
    if serialized not in _DESERIALIZED:
        _store(
            _DESERIALIZED, serialized, engine.rows(f"SELECT json_deserialize_sql(CAST({literal(serialized)} AS JSON))")
        )
    return _DESERIALIZED[serialized].removeprefix("SELECT ")


def _serialize(engine: DuckDB, text: str) -> str:
    if text not in _SERIALIZED:
        _store(_SERIALIZED, text, engine.rows(f"SELECT json_serialize_sql({literal(f'SELECT {text}')})"))
    return _SERIALIZED[text]


# Caches: all engines parse a text alike, and the expressions of a source need it hundreds of times.
_SERIALIZED: dict[str, str] = {}
_DESERIALIZED: dict[str, str] = {}
_KINDS: dict[tuple, str] = {}  # by an expression of a row, and the names and types of the columns it may name


def _store(answers: dict[Any, str], key: Any, rows: list[tuple]) -> None:
    if len(answers) >= 4096:
        answers.clear()
    ((answers[key],),) = rows


def _root(tree: dict) -> dict:
    return tree["statements"][0]["node"]["select_list"][0]


def _set_root(tree: dict, node: dict) -> None:
    tree["statements"][0]["node"]["select_list"][0] = node


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(_references, node))
    if not isinstance(node, dict):
        return set()
    if node.get("class") == "COLUMN_REF":
        return {node["column_names"][-1]}
    return set().union(*map(_references, node.values()))


def _substitute(node: Any, nodes: dict[str, dict]) -> Any:
    if isinstance(node, list):
        return [_substitute(part, nodes) for part in node]
    if not isinstance(node, dict):
        return node
    if node.get("class") == "COLUMN_REF" and (replacement := nodes.get(node["column_names"][-1])):
        return replacement
    return {key: _substitute(part, nodes) for key, part in node.items()}


def _with(node: dict, arguments: list[dict]) -> dict:
    parts = [part | {"expression": argument} for part, argument in zip(node["arguments"], arguments, strict=True)]
    return node | {"arguments": parts}


def _is_constant(node: dict) -> bool:
    return node.get("class") == "CONSTANT"


def _is_null(node: dict) -> bool:
    return _is_constant(node) and node["literal"]["kind"] == "NULL_LITERAL"


def _is_blank(node: dict) -> bool:
    return _is_constant(node) and node["literal"]["kind"] == "STRING" and not node["literal"].get("text")
