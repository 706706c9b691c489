"""The nbconvert exporters: an assembled notebook to a single HTML file, and to PDF with Typst.

They work for any notebook: `jupyter nbconvert --to retention-html notebook.ipynb`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import mistune
from jinja2 import Environment
from markupsafe import Markup
from mistune.core import BlockState
from nbconvert.exporters import Exporter, TemplateExporter
from nbformat import NotebookNode, ValidationError, validate
from traitlets import Bool, default

from retention_kit import bidi
from retention_kit.display import words_in
from retention_kit.errors import ReportError
from retention_kit.report.blocks import BLOCK_MIME, Block, sparkline, templates_dir, unbroken
from retention_kit.report.export import drawing, fonts
from retention_kit.report.export.compaction import compact, pack
from retention_kit.report.export.document import read
from retention_kit.report.export.markdown import PLUGINS
from retention_kit.report.export.pictures import PICTURE_FORMATS, minify, picture_bytes, prefix_ids

if TYPE_CHECKING:
    import typst

CACHE_AGE = 10  # compilations after which Typst forgets an unused result
_typesetting = Lock()  # a compiler is not thread-safe


class _BlockExporter(Exporter):
    """Like nbconvert's, but the notebook is validated once, after all preprocessors, and copied once less."""

    def _preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        for preprocessor in self._preprocessors:
            nb, resources = preprocessor(nb, resources)
        try:
            # Stricter; nbconvert's own validator takes as long to build as a page.
            validate(nb)
        except ValidationError:
            self._validate_preprocessor(nb, "all")
        return nb, resources


class RetentionHTMLExporter(_BlockExporter, TemplateExporter):
    """A single HTML file that works offline, with style, pictures and, if interactive, scripts inside."""

    export_from_notebook = "Retention report (HTML)"
    output_mimetype = "text/html"

    interactive = Bool(True, help="Whether charts answer to the pointer; without it the file holds no script.").tag(
        config=True
    )

    @default("file_extension")
    def _html(self) -> str:
        return ".html"

    @default("template_name")
    def _template_name(self) -> str:
        return "html"

    @default("extra_template_basedirs")
    def _template_dirs(self) -> list[str]:
        return [str(templates_dir())]

    def _create_environment(self) -> Environment:
        environment = super()._create_environment()
        environment.autoescape = True
        return environment

    def default_filters(self) -> Iterator[tuple[str, Callable[..., Any]]]:
        yield from super().default_filters()
        yield "plain", bidi.plain
        yield "sparkline", sparkline
        yield "unbroken", unbroken
        yield "page", self._page

    def _page(self, nb: NotebookNode, resources: dict) -> dict:
        page = read(nb, resources.get("metadata", {}).get("name", ""))
        resources.setdefault("failures", []).extend(page["undrawn"])
        resources["files"] = page.pop("files")
        for section in page["sections"]:
            for number, block in enumerate(section):
                _prepare_block(block, page, resources, self._prepare, f"{section[0]['id']}-{number}-")
        blocks = [block for section in page["sections"] for block in section]
        live = [block for block in blocks if block.get("live")]
        packed, shared = pack([block["live"] for block in live])
        for block, spec in zip(live, packed, strict=True):
            block["live"] = _json(spec)
        page["shared"] = _json(shared) if live else ""
        scripts = [_asset("tables.js")] if any(block.get("sortable") for block in blocks) else []
        scripts += [_vega(), _asset("charts.js")] if live else []
        page["scripts"] = [Markup(script) for script in scripts]
        page["style"] = Markup(_asset("report.css"))
        page["policy"] = _policy(page["scripts"])
        return page

    def _prepare(self, block: dict, page: dict, prefix: str) -> None:
        """Add what the HTML template needs to a block; only values made here are Markup."""
        if block["kind"] == "chart":
            block["picture"] = Markup(prefix_ids(minify(draw_svg(block["spec"], page["fonts"])), prefix))
            if self.interactive:
                is_vega = "/vega/" in block["spec"].get("$schema", "")  # else Vega-Lite of any version
                block["live"] = {key: value for key, value in block["spec"].items() if key != "$schema" or is_vega}
        elif block["kind"] == "table":
            block["sortable"] = self.interactive and bool(block["keys"])
        elif block["kind"] == "image":
            content = base64.b64encode(picture_bytes(block)).decode()
            block["source"] = (
                f"data:{block['mime'] if block['mime'] in PICTURE_FORMATS else 'image/png'};base64,{content}"
            )
        elif block["kind"] == "markdown":
            block["html"] = Markup(_markdown_renderer().render_tokens(block["nodes"], BlockState()))


class RetentionPDFExporter(_BlockExporter):
    """A tagged PDF/UA-1 in A4, typeset by Typst; the same notebook gives the same bytes."""

    export_from_notebook = "Retention report (PDF)"
    output_mimetype = "application/pdf"

    @default("file_extension")
    def _pdf(self) -> str:
        return ".pdf"

    def from_notebook_node(  # type: ignore[override]  # like all exporters of nbconvert: the base class declares a notebook
        self, nb: NotebookNode, resources: dict | None = None, **kw: Any
    ) -> tuple[bytes, dict]:
        nb, resources = super().from_notebook_node(nb, resources, **kw)
        page = read(nb, resources.get("metadata", {}).get("name", ""))
        resources.setdefault("failures", []).extend(page["undrawn"])
        resources["files"] = page.pop("files")
        for section in page["sections"]:
            for block in section:
                _prepare_block(block, page, resources, self._prepare)
        page["families"] = fonts.families(page["fonts"])
        typeset = self._on_one_page if page["layout"] == "brief" else self._typeset
        with _typesetting:
            _clear_cache()
            return typeset(page, resources), resources

    def _prepare(self, block: dict, page: dict) -> None:
        """Add what the Typst template needs to a block: pictures as data."""
        if block["kind"] == "chart":
            block["picture"] = draw_svg(block.pop("spec"), page["fonts"])
        elif block["kind"] == "cards":
            for card in block["cards"]:
                card["trend"] = str(sparkline(card["spark"], card.get("time_direction", "ltr")))
        elif block["kind"] == "image":
            block["bytes"] = list(picture_bytes(block))
            block["format"] = PICTURE_FORMATS.get(block["mime"], "png")

    def _on_one_page(self, page: dict, resources: dict) -> bytes:
        """Typeset a brief: without its chart, and then with fewer sentences on what needs attention, until it fits one
        page.
        """
        has_chart = any(block["kind"] == "chart" for section in page["sections"] for block in section)
        if has_chart and page["charts"] and page_count(pdf := self._typeset(page, resources)) == 1:
            return pdf
        resources["without_chart"] = has_chart
        page["sections"] = [[block for block in section if block["kind"] != "chart"] for section in page["sections"]]
        notices = [block for block in page["sections"][0] if block.get("tone") == "attention"]
        attention: dict[str, Any] = notices[-1] if page["shorter"] else {}  # before it stand alerts
        for items in (attention.get("items"), *page["shorter"]):
            attention["items"] = items
            pdf = self._typeset(page, resources)
            if page_count(pdf) == 1:
                break
        return pdf

    def _typeset(self, page: dict, resources: dict) -> bytes:
        import typst

        drawing.refuse_fork()
        resources |= {"boxes": {}, "notes": []}
        compile_pdf = partial(
            _compiler(fonts.folder(page["fonts"])).compile_with_warnings,
            format="pdf",
            sys_inputs={"report": json.dumps(page)},
            timestamp=_timestamp(page["date"]),
        )
        try:
            try:
                pdf, warnings = compile_pdf(pdf_standards=["ua-1"])
            except typst.TypstError as error:
                if not any(words in error.message for words in ("could not be displayed", "missing codepoints")):
                    raise
                # Better than no report: what no font has are boxes, and marks of pictures alone have no text.
                boxes = fonts.unprintable(fonts.texts(page), page["fonts"]) or fonts.named(error.message)
                resources |= {"boxes": boxes, "notes": [] if boxes else [fonts.UNCERTIFIED]}
                self.log.warning("%s", fonts.note(boxes) if boxes else fonts.UNCERTIFIED)
                pdf, warnings = compile_pdf()
        except typst.TypstError as error:
            raise ReportError("The PDF could not be made: {reason}.", reason=error.message) from error
        if warnings:
            template = "The PDF could not be made: {reason}."
            raise ReportError(template, reason="; ".join(warning.message for warning in warnings))
        assert isinstance(pdf, bytes), "one PDF, and not a picture of each page"
        return pdf


def _clear_cache() -> None:
    """Clear Typst's cache, which would keep 40 MB of each page for ten more compilations."""
    for _ in range(CACHE_AGE + 1):
        _blank_compiler().compile(b" ", format="svg")


def page_count(pdf: bytes) -> int:
    """The number of pages of a PDF."""
    import pypdfium2

    with pypdfium2.PdfDocument(pdf) as document:
        return len(document)


def exporter_of(kind: str, static: bool) -> Exporter:
    """The cached exporter of a format, `html` or `pdf`."""
    return _pdf_exporter() if kind == "pdf" else _html_exporter(static)


@cache
def _pdf_exporter() -> RetentionPDFExporter:
    return RetentionPDFExporter()


@cache
def _html_exporter(static: bool) -> RetentionHTMLExporter:
    return RetentionHTMLExporter(interactive=not static)


def prepare(formats: Iterable[str], static: bool, files: Sequence[str] = ()) -> None:
    """Do the slow first steps of a process: read templates and fonts, and start a process for drawing."""
    drawing.prepare(fonts.folder(files))
    for kind in formats:
        if kind != "pdf":
            _html_exporter(static).template  # noqa: B018  read on first access
        if kind != "html":
            _compiler(fonts.folder(files))
        if kind == "html" and not static:
            _vega()


def specs(nb: NotebookNode) -> list[dict]:
    """The charts of an executed notebook."""
    blocks = (output.get("data", {}).get(BLOCK_MIME, {}) for cell in nb.cells for output in cell.get("outputs", []))
    return [block["spec"] for block in blocks if block.get("kind") == "chart" and "spec" in block]


def draw(spec: dict, files: Sequence[str] = ()) -> None:
    """Draw a chart into the cache for both formats; errors are raised there again."""
    with suppress(ReportError):
        draw_svg(spec, files)


def _prepare_block(block: dict, page: dict, resources: dict, prepare_block: Callable[..., None], *more: str) -> None:
    """Prepare a block for its format; if it cannot be drawn, it becomes a notice and one of `resources["failures"]`."""
    try:
        prepare_block(block, page, *more)
    except ReportError as error:
        message = words_in(page["language"], "XXX").say(error)
        block.clear()
        block |= {
            "kind": "notice",
            **Block("notice", tone="failure", title=page["labels"]["failed"], items=[message]).data,
        }
        resources.setdefault("failures", []).append(str(error))


@cache
def _compiler(folder: str) -> typst.Compiler:
    """A compiler for our template with the fonts in a folder."""
    import typst

    return typst.Compiler(str(templates_dir() / "typst" / "report.typ"), font_paths=fonts.book(folder))


@cache
def _blank_compiler() -> typst.Compiler:
    """A compiler without fonts, for empty pages."""
    import typst

    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False)
    return typst.Compiler(font_paths=fonts, ignore_system_fonts=True)


# Axis labels without space are transparent; they are removed from the text of the page.
_HIDDEN = re.compile(r'<text\b[^>]* opacity="0"[^>]*>[^<]*</text>')


@lru_cache(maxsize=256)
def _draw(spec: str, folder: str) -> str:
    return _HIDDEN.sub("", drawing.render_svg(spec, folder))


def draw_svg(spec: dict, files: Sequence[str] = ()) -> str:
    """Render a Vega-Lite specification as SVG in the report's fonts (cached); raises ReportError."""
    try:
        return _draw(json.dumps(spec), fonts.folder(files))
    except ValueError as error:
        template = "A chart could not be drawn: {reason}"
        raise ReportError(template, reason=" ".join(str(error).splitlines()[:2])) from error


def draw_png(spec: dict, scale: float, files: Sequence[str] = ()) -> bytes:
    """Render a specification as PNG, `scale` times as large; raises ReportError."""
    return drawing.render_png(draw_svg(spec, files), scale, fonts.folder(files))


@cache
def _vega() -> str:
    """Vega, Vega-Lite and vega-embed as one script; cached on disk, as bundling takes seconds."""
    import vl_convert

    # No home folder, or another user's: works without a cache.
    cache_errors = OSError, RuntimeError, ValueError
    try:
        from platformdirs import user_cache_path

        path = user_cache_path("retention-kit", appauthor=False) / f"vega-{version('vl-convert-python')}.js"
        return path.read_text("utf-8")
    except cache_errors:
        pass
    script = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # the stub has no default
    script = script.replace("</script", r"<\/script").replace("<!--", r"<\!--")
    with suppress(NameError, *cache_errors):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            file.write(script)
        Path(file.name).replace(path)
    return script


def _asset(name: str) -> str:
    return (templates_dir() / "html" / name).read_text("utf-8")


def _policy(scripts: list[str]) -> str:
    """The Content Security Policy: no requests, and no scripts except ours, by hash."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes) or "'none'"
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}; "
        "base-uri 'none'; form-action 'none'"
    )


def _json(value: object) -> Markup:
    """JSON for a script element."""
    return Markup(compact(value).replace("<", r"\u003c"))


def _formula(latex: str, svg: str, height: float, below: float) -> str:
    picture = base64.b64encode(svg.encode()).decode()
    style = f"block-size: {height}em; vertical-align: {-below}em"
    return Markup('<img class="formula" alt="{}" style="{}" src="data:image/svg+xml;base64,{}">').format(
        latex, style, picture
    )


@cache
def _markdown_renderer() -> mistune.HTMLRenderer:
    renderer = mistune.HTMLRenderer(escape=True)
    mistune.create_markdown(renderer=renderer, plugins=PLUGINS)  # plugins register their renderers
    for name, tag in (("subscript", "sub"), ("superscript", "sup"), ("underline", "u")):
        renderer.register(name, lambda _, text, tag=tag: f"<{tag}>{text}</{tag}>")
    renderer.register("formula", lambda _, latex, **drawn: _formula(latex, **drawn))
    return renderer


def _timestamp(date: str | None) -> int | None:
    if date is None:
        return None
    moment = datetime.fromisoformat(date)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
