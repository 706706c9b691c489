"""Imported by a notebook, it draws our charts with Altair's own SVG renderer, so that the stock exporters show them.

A chart of ours is laid out by our exporters, and drawn by JupyterLab; for others it carries its description.
"""

from __future__ import annotations

import altair as alt
from IPython import get_ipython

from retention_kit.report.blocks import Block


def mime_bundle(block: Block, **_) -> dict:
    """What a notebook shows of a block: a chart as Altair shows one, anything else as it is."""
    if block.kind != "chart":
        return block._repr_mimebundle_()
    spec = {"title": block.data["title"], **block.data["spec"]}
    bundle = alt.Chart.from_dict(spec)._repr_mimebundle_()
    return bundle[0] if isinstance(bundle, tuple) else bundle


alt.renderers.enable("svg")
get_ipython().display_formatter.mimebundle_formatter.for_type(Block, mime_bundle)
