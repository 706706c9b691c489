"""How docs/ becomes pages: `make docs`. Nothing on them is asked of the network."""

import re
import tomllib
from pathlib import Path

from sphinx.application import Sphinx

project = "retention-kit"
copyright = "The retention-kit authors"  # noqa: A001, the name that Sphinx reads
version = release = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"][
    "version"
]

extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]  # the glossary
myst_heading_anchors = 3  # page.md#heading, as on GitHub; a link to one that is not there stops the build
html_theme = "furo"
html_title = "retention-kit"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5f8b", "color-brand-content": "#1f5f8b"},
    "dark_css_variables": {"color-brand-primary": "#7fb8de", "color-brand-content": "#7fb8de"},
}
html_static_path = ["_static"]
html_css_files = ["pages.css"]

# What a page loads by itself, unlike a link that a reader follows.
_LOADED = re.compile(
    r"""<(?:script|img|iframe)[^>]+src="(?:https?:)?//|<link[^>]+stylesheet[^>]+href="(?:https?:)?//"""
)


def _refuse_network(app: Sphinx, error: Exception | None) -> None:
    """Stop where a built page loads anything from a network."""
    if error is None:
        loading = [page.name for page in Path(app.outdir).rglob("*.html") if _LOADED.search(page.read_text("utf-8"))]
        if loading:
            raise SystemExit(f"These pages load something from the network: {', '.join(loading)}")


def setup(app: Sphinx) -> None:
    app.connect("build-finished", _refuse_network)
