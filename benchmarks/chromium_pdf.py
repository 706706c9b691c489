"""nbconvert's own `--to webpdf` with the Chromium that is on the machine: it takes no path, so playwright is told it."""

from __future__ import annotations

from environments import browser
from nbconvert.exporters import WebPDFExporter


class ChromiumPDFExporter(WebPDFExporter):
    """`jupyter nbconvert --to chromium_pdf.ChromiumPDFExporter`."""

    export_from_notebook = None  # not in the menus of Jupyter

    def run_playwright(self, html: str) -> bytes:
        from playwright.async_api import BrowserType

        launch, path = BrowserType.launch, browser()

        async def launch_ours(self, **options):
            return await launch(self, executable_path=path, **options)

        BrowserType.launch = launch_ours
        try:
            return super().run_playwright(html)
        finally:
            BrowserType.launch = launch
