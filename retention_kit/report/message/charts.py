"""The charts of a message: those of the report, rendered for its width as PNG with two pixels per CSS pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING

from retention_kit.metrics.catalogue import ranked
from retention_kit.report.charts import base as base_charts
from retention_kit.report.charts.series import with_fewer_labels
from retention_kit.report.export.exporters import draw_png, draw_svg
from retention_kit.report.export.fonts import unprintable_in_pictures
from retention_kit.report.pages import narrative
from retention_kit.report.pages.context import rows_for
from retention_kit.report.pages.surveys import SCORES

if TYPE_CHECKING:
    from retention_kit.report.blocks import Block
    from retention_kit.report.page import Page

MOST_CHARTS = 3  # the finding, movements, and one more
WIDTH = 592  # as shown, in CSS pixels
# As rendered: smaller than shown, so that its texts are legible on a phone, at half the size.
DRAWN_WIDTH, HEIGHT = 420, 212
MOST_LABELS = 8  # of periods, in that width
COLOURS = 64


@dataclass(frozen=True)
class Picture:
    """A chart of a message."""

    title: str
    caption: str
    alt: str
    png: bytes
    width: int  # in CSS pixels, half of the PNG's
    height: int
    boxes: dict[str, str] = field(default_factory=dict)  # characters that no font has, with the texts they are in

    @property
    def cid(self) -> str:
        """Its Content-ID, a digest of the image, as some mail programs cache images by name."""
        return f"{hashlib.sha256(self.png).hexdigest()[:20]}@retention-kit"


def pictures(page: Page) -> list[Picture]:
    """The rendered charts of a message; raises ReportError if one cannot be rendered."""
    charts = ((block, title) for block, title in _charts(page) if block is not None and block.kind == "chart")
    fonts = page.data.settings.report.fonts
    return [_picture(block, title or block.data["title"], fonts) for block, title in islice(charts, MOST_CHARTS)]


def _charts(page: Page) -> Iterator[tuple[Block | None, str]]:
    """Candidates in order: the leading figure's trend, movements of customers and MRR, other trends, and answers.

    Each with a title, or "" for the chart's own: that of the leading figure would repeat the headline. A figure with
    values in one period only has no trend.
    """
    leading = page.leading()
    first = "" if leading is None else leading.metric
    rows = page.now(dict.fromkeys([first, *ranked("mail_chart")])).itertuples()
    known = [row.metric for row in rows if narrative.is_known(row.value)]
    trends = [name for name in known if rows_for(page.rows, name)["value"].notna().sum() > 1]
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


def _picture(block: Block, title: str, fonts: Sequence[str]) -> Picture:
    data = block.data
    # A chart of rows, such as a waterfall, has the height of its rows.
    height = HEIGHT if data["spec"]["height"] == base_charts.HEIGHT else data["spec"]["height"]
    spec = with_fewer_labels(data["spec"], MOST_LABELS)
    spec = spec | {"width": DRAWN_WIDTH, "height": height, "background": "white"}
    size = WIDTH, round(height * WIDTH / DRAWN_WIDTH)
    png = _quantized(draw_png(spec, 2 * WIDTH / DRAWN_WIDTH, fonts), (2 * size[0], 2 * size[1]))
    boxes = unprintable_in_pictures([draw_svg(spec, fonts)], fonts)
    return Picture(title, data["caption"], data["alt"], png, *size, boxes)


def _quantized(png: bytes, size: tuple[int, int]) -> bytes:
    """The image in exactly this size and at most 64 colours, which takes a sixth of the bytes."""
    from PIL import Image, PngImagePlugin  # `Image.open` would import plug-ins of all formats

    picture = Image.new("RGB", size, "white")
    picture.paste(PngImagePlugin.PngImageFile(BytesIO(png)).convert("RGB"))
    quantized = picture.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    out = BytesIO()
    quantized.save(out, "PNG")
    return out.getvalue()
