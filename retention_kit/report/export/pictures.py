"""Validates pictures of notebooks before they go into a report."""

from __future__ import annotations

import base64
import io
import json

from retention_kit.errors import ReportError
from retention_kit.report.export import drawing

PICTURE_FORMATS = {"image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpg"}


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
