"""The charts of a message: the report's own, drawn for its width, as PNG at two pixels a point."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, Any

from retention_kit.metrics.catalogue import ranked
from retention_kit.report.charts import base as base_charts
from retention_kit.report.export.exporters import draw_png, draw_svg
from retention_kit.report.export.fonts import unprintable_in_pictures
from retention_kit.report.pages import narrative
from retention_kit.report.pages.context import rows_for
from retention_kit.report.pages.surveys import SCORES

if TYPE_CHECKING:
    from retention_kit.report.blocks import Block
    from retention_kit.report.page import Page

SHOWN = 3  # charts: the finding, what moved, and one more
WIDTH = 592  # as shown, in CSS pixels
# As drawn: smaller than shown, so that its words can still be read where a phone shows it at half the size.
DRAWN, HEIGHT = 420, 212
COLOURS = 64


@dataclass(frozen=True)
class Picture:
    """A chart as a message shows it."""

    title: str
    caption: str
    alt: str
    png: bytes
    width: int  # in CSS pixels, half of the PNG's
    height: int
    boxes: dict[str, str] = field(default_factory=dict)  # characters that no font has, each with its label

    @property
    def cid(self) -> str:
        """Its name in the message: of what it shows, as some programs keep pictures by name."""
        return f"{hashlib.sha256(self.png).hexdigest()[:20]}@retention-kit"


def pictures(page: Page) -> list[Picture]:
    """The charts of a message, drawn; raises ReportError where one cannot be."""
    drawn = ((block, title) for block, title in _charts(page) if block is not None and block.kind == "chart")
    fonts = page.data.settings.report.fonts
    return [_picture(block, title or block.data["title"], fonts) for block, title in islice(drawn, SHOWN)]


def _charts(page: Page) -> Iterator[tuple[Block | None, str]]:
    """The leading figure's trend, how customers and MRR moved, the other leading figures' trends, how answers spread.

    With a title where the chart's own would say again what the message begins with. Of one period there is no trend.
    """
    leading = page.leading()
    first = "" if leading is None else leading.metric
    trends = [
        row.metric
        for row in page.now(dict.fromkeys([first, *ranked("mail_chart")])).itertuples()
        if _has_trend(page, row)
    ]
    if leading is not None and first in trends:
        yield page.trend(first), leading.label
    yield page.movements(), ""
    yield page.mrr_waterfall(), ""
    if first == "net_promoter_score":
        yield page.nps(), ""
    for name in trends:
        if name != first:
            yield page.trend(name), ""
    for survey in SCORES:
        yield page.answers(survey), ""


def _has_trend(page: Page, row: Any) -> bool:
    return narrative.is_known(row.value) and rows_for(page.rows, row.metric)["value"].notna().sum() > 1


def _picture(block: Block, title: str, fonts: Sequence[str]) -> Picture:
    data = block.data
    # Of rows, such as the steps of a sum, the height is what they take.
    height = HEIGHT if data["spec"]["height"] == base_charts.HEIGHT else data["spec"]["height"]
    spec = data["spec"] | {"width": DRAWN, "height": height, "background": "white"}
    shown = WIDTH, round(height * WIDTH / DRAWN)
    png = _reduced(draw_png(spec, 2 * WIDTH / DRAWN, fonts), (2 * shown[0], 2 * shown[1]))
    boxes = unprintable_in_pictures([draw_svg(spec, fonts)], fonts)
    return Picture(title, data["caption"], data["alt"], png, *shown, boxes)


def _reduced(png: bytes, size: tuple[int, int]) -> bytes:
    """The picture in at most 64 colours and of this size, to the pixel: a sixth of the bytes, and no eye sees it."""
    from PIL import Image, PngImagePlugin  # `Image.open` would import what opens other kinds

    picture = Image.new("RGB", size, "white")
    picture.paste(PngImagePlugin.PngImageFile(BytesIO(png)).convert("RGB"))
    few = picture.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    out = BytesIO()
    few.save(out, "PNG")
    return out.getvalue()
