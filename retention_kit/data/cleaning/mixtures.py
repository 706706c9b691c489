"""Refuses mixtures: several scales of a survey, and orders both in lines and as a whole."""

from __future__ import annotations

from retention_kit.data.cleaning.columns import Columns
from retention_kit.data.engines.protocol import Engine
from retention_kit.errors import DataError
from retention_kit.settings import Definitions, check_top


def refuse_mixed(engine: Engine, table: str, columns: Columns, chosen: Definitions) -> None:
    """Raise DataError if a table has one of these mixtures."""
    if columns.is_mixed:
        refuse_mixed_sources(engine)
    if table == "responses":
        refuse_mixed_scales(engine)
        refuse_tops(engine, chosen)


def refuse_mixed_sources(engine: Engine) -> None:
    """Raise DataError if an order is in a source of lines and in one of whole orders."""
    both = engine.rows(
        "SELECT order_id FROM orders_typed WHERE problem IS NULL AND order_id IS NOT NULL "
        "GROUP BY order_id HAVING bool_or(_is_line) AND NOT bool_and(_is_line) ORDER BY order_id LIMIT 1"
    )
    for (order,) in both:
        raise DataError(
            "The order {order!r} is in a source of lines and in one of whole orders: keep it in one.", order=order
        )


def refuse_mixed_scales(engine: Engine) -> None:
    """Raise DataError if the answers of a survey have different scales."""
    scales_by_survey: dict[str, list[str]] = {}
    scales = "SELECT DISTINCT survey, scale FROM responses_typed WHERE problem IS NULL ORDER BY survey, scale"
    for survey, scale in engine.rows(scales):
        scales_by_survey.setdefault(survey, []).append(scale)
    for survey, own_scales in scales_by_survey.items():
        if len(own_scales) > 1:
            names = " and ".join(own_scales)
            raise DataError(
                "The {survey} answers are on different scales, {names}: one survey needs one scale.",
                survey=survey,
                names=names,
            )


def refuse_tops(engine: Engine, chosen: Definitions) -> None:
    """Raise where csat_top or ces_top would make every answer of the scale a good one."""
    scales = (
        "SELECT DISTINCT survey, low, high FROM responses_typed WHERE problem IS NULL AND survey IN ('csat', 'ces')"
    )
    for survey, low, high in engine.rows(scales):
        top = getattr(chosen, f"{survey}_top")
        if top is not None and top != "mean":
            check_top(f"definitions.{survey}_top", top, low, high)
