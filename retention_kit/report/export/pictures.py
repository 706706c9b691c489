"""Pictures in a report: those of notebooks are validated, and the SVG of charts is made smaller."""

from __future__ import annotations

import base64
import io
import json
import re

from retention_kit.errors import ReportError
from retention_kit.report.export import drawing

PICTURE_FORMATS = {"image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpg"}
# In the tags of an SVG with one description: roles of parts, the page's font, and what draws nothing.
_NEEDLESS = re.compile(
    r' (?:aria-[\w-]+|role|class|font-family|pointer-events)="[^"]*"| opacity="1"'
    r'|<path[^>]* d="(?:|M0,0h0v0h0Z)"[^>]*/>|(?<=\d\.\d\d)\d+'
)


def picture_bytes(block: dict) -> bytes:
    """The bytes of a picture; raises ReportError if it cannot be drawn, as it would break the whole report."""
    import typst

    drawing.refuse_fork()
    content, name = "".join(block["content"]), PICTURE_FORMATS.get(block["mime"], "png")
    try:
        picture = content.encode() if name == "svg" else base64.b64decode(content)
        if block["mime"] not in PICTURE_FORMATS:
            picture = _as_png(picture)
        source = f'#image(bytes(json(bytes(sys.inputs.picture))), format: "{name}")'
        typst.compile(source.encode(), sys_inputs={"picture": json.dumps(list(picture))}, ignore_system_fonts=True)
    except (ValueError, typst.TypstError) as error:
        raise ReportError("A picture could not be drawn: {reason}.", reason=str(error).splitlines()[0]) from error
    return picture


def _as_png(picture: bytes) -> bytes:
    """The first image of a GIF, WebP or BMP."""
    from PIL import Image

    buffer = io.BytesIO()
    try:
        with Image.open(io.BytesIO(picture)) as image:
            image.convert("RGBA").save(buffer, "PNG")
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from None
    return buffer.getvalue()


def minify(svg: str) -> str:
    """An SVG without redundant attributes: half the size, the same look."""
    return re.sub("<[^>]*>", lambda tag: _NEEDLESS.sub("", tag[0]), svg)


def prefix_ids(svg: str, prefix: str) -> str:
    """Make the ids of an SVG unique on a page, as every chart numbers its clips and gradients from one."""
    return re.sub(r'(\bid="|url\(#|href="#)', lambda match: match[0] + prefix, svg)
