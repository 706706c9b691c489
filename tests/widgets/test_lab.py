"""`retention-kit lab`: a real JupyterLab, and in it the notebooks and templates as an analyst opens them, in Chromium."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

import retention_kit as rk
from retention_kit.cli import main
from retention_kit.cli.project import begin
from retention_kit.report.blocks import templates_dir
from retention_kit.wording import Words
from test_real_data import invoices

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted(path.name for path in templates_dir().glob("*.ipynb"))
SECONDS = 90  # until anything that is waited for has to be there
# JupyterLab's own news and updates would ask the network; nothing of it is the project's.
QUIET = (
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},  # every cell is in the page, wherever one looks
}
# In an element: whether what Vega has drawn there, as SVG or on a canvas, is more than an empty ground.
DRAWN = """box => {
  const marks = box.querySelectorAll('svg .role-mark path, svg .role-mark line, svg .role-mark text');
  if ([...marks].map(mark => mark.getBoundingClientRect()).some(one => one.width + one.height > 2)) return true;
  return [...box.querySelectorAll('canvas')].some(canvas => {
    if (!canvas.width || !canvas.height) return false;
    const pixels = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    return new Set(pixels).size > 8;
  });
}"""
# What a cell shows when it fails or warns.
FAULT = '[data-mime-type="application/vnd.jupyter.error"], [data-mime-type="application/vnd.jupyter.stderr"]'
# What is drawn in an element, to be compared with what is drawn later.
PICTURE = "box => box.querySelector('svg.marks')?.outerHTML ?? box.querySelector('canvas')?.toDataURL() ?? ''"
# Of an element: the contrast of its text and the ground that it lies on, as WCAG 2.2 counts it.
CONTRAST = """box => {
  const light = colour => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(Number)
      .map(part => (part /= 255) <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  let ground = box;
  while (/, 0\\)|transparent/.test(getComputedStyle(ground).backgroundColor)) ground = ground.parentElement;
  const [text, paper] = [getComputedStyle(box).color, getComputedStyle(ground).backgroundColor].map(light);
  return (Math.max(text, paper) + .05) / (Math.min(text, paper) + .05);
}"""


@contextmanager
def served(folder: Path, private: Path, **more: object) -> Iterator[tuple[subprocess.Popen, dict]]:
    """`retention-kit lab` on a folder, and the file that it writes once it can be asked; it is ended and waited for.

    All that JupyterLab and its kernels keep lies in the folder `private`.
    """
    for name, values in SETTINGS.items():
        path = private / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), "utf-8")
    own = {
        "HOME": "",
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    environment |= {name: str(private / path) for name, path in own.items()}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [
        sys.executable,
        "-m",
        "retention_kit.cli",
        "lab",
        str(folder),
        "--no-browser",
        "--allow-root",
        "--port=0",
    ]
    log = private / "log"
    with log.open("w") as output:
        server = subprocess.Popen([*command, *QUIET], env=environment, stdout=output, stderr=output, **more)
    try:
        until = time.monotonic() + SECONDS
        while not (files := list((private / "runtime").glob("jpserver-*.json"))) or not files[0].stat().st_size:
            assert server.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < until, log.read_text("utf-8")
            time.sleep(0.1)
        yield server, json.loads(files[0].read_text("utf-8"))
    finally:
        server.terminate()
        try:
            server.wait(SECONDS)
        finally:
            server.kill()
    assert server.returncode == 0, log.read_text("utf-8")
    assert running(private) == []


def running(private: Path, seconds: float = 20) -> list[str]:
    """The processes that name a folder in their command, such as kernels, and do not end in a while."""
    until = time.monotonic() + seconds
    while True:
        remaining = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # has ended
            remaining += [command] if str(private) in command else []
        if not remaining or time.monotonic() > until:
            return remaining
        time.sleep(0.2)


class Lab:
    """JupyterLab in a tab, with all that it asked for and all that it complained about."""

    def __init__(self, page, server: dict):
        self.page, self.server, self.requests, self.console = page, server, [], []
        self.explorer = page.locator(".rk-explorer")
        page.set_default_timeout(SECONDS * 1000)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        page.on("console", lambda message: message.type == "error" and self.console.append(message.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))

    def open(self, path: str = "") -> None:
        """Open a notebook, or what the command opens by itself, and wait until its kernel is there."""
        # A workspace of its own: JupyterLab opens again what was open in the last one.
        location = f"lab/workspaces/{Path(path).stem}/tree/{path}" if path else ""
        self.page.goto(f"{self.server['url']}{location}?token={self.server['token']}")
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        self.page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()

    def choose(self, bar: str, *entries: str) -> None:
        """An entry of the menus."""
        self.page.locator(".lm-MenuBar-item", has_text=re.compile(f"^{bar}$")).click()
        for entry in entries:
            self.page.locator(".lm-Menu-item", has_text=re.compile(f"^{re.escape(entry)}")).first.click()

    def darken(self) -> None:
        self.choose("Settings", "Theme", "JupyterLab Dark")
        self.page.wait_for_function("document.body.dataset.jpThemeLight === 'false'")

    def run_all(self) -> None:
        """Run > Run All Cells, until every cell has its number; no cell may show an error."""
        self.choose("Run", "Run All Cells")
        self.page.wait_for_function(
            """fault => document.querySelector(fault) || [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
              .every(one => /\\[\\d+\\]/.test(one.textContent))""",
            arg=FAULT,
        )
        assert self.page.locator(FAULT).all_inner_texts() == []

    def drawn(self, charts: str) -> int:
        """How many charts there are, once something is drawn in each."""
        self.page.wait_for_function(f"charts => [...document.querySelectorAll(charts)].every({DRAWN})", arg=charts)
        return self.page.locator(charts).count()

    def card(self, metric: str, value: str) -> None:
        """Wait until the card of a metric tells this value, and nothing is being computed."""
        self.explorer.locator(f'.rk-card[data-metric="{metric}"]', has_text=value).first.wait_for()
        self.page.wait_for_function("!document.querySelector('.rk-explorer.rk-busy')")

    def select(self, label: str, option: str) -> None:
        self.explorer.get_by_label(label, exact=True).select_option(label=option)

    def changed(self, before: str) -> str:
        """What the trend shows, once it is another picture than before."""
        self.page.wait_for_function(
            f"before => ({PICTURE})(document.querySelector('.rk-trend')) !== before", arg=before
        )
        self.drawn(".rk-trend")
        return self.picture()

    def picture(self) -> str:
        return self.page.eval_on_selector(".rk-trend", PICTURE)

    def close(self) -> None:
        """Close the tab and end its kernels; nothing went wrong in it and nobody else was asked anything."""
        self.page.close()
        kernels = f"{self.server['url']}api/kernels"
        token = {"Authorization": f"token {self.server['token']}"}
        for kernel in json.load(urlopen(Request(kernels, headers=token))):
            urlopen(Request(f"{kernels}/{kernel['id']}", headers=token, method="DELETE"))
        hosts = {urlsplit(url).hostname for url in self.requests if not url.startswith(("data:", "blob:"))}
        assert hosts <= {"localhost", "127.0.0.1"}
        assert self.console == []


@contextmanager
def opened(chromium, folder: Path, private: Path) -> Iterator[Lab]:
    """A folder in a JupyterLab of its own."""
    private.mkdir()
    with served(folder, private) as (_, server):
        lab = Lab(chromium.new_page(viewport={"width": 1400, "height": 1000}), server)
        try:
            yield lab
        except BaseException:
            lab.page.close()
            raise
        lab.close()


# What is answered where nothing can be opened.


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("absent", "There is no folder 'absent': retention-kit init DIR makes a project."),
        (
            "empty",
            "'empty' is no project, it holds neither retention.toml nor notebooks: retention-kit init DIR makes one.",
        ),
    ],
)
def test_what_is_no_project_is_told_in_a_sentence(tmp_path, monkeypatch, capsys, folder, message):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    assert main(["lab", folder]) == 2
    assert capsys.readouterr().err == f"retention-kit: {message}\n"


def test_without_jupyterlab_the_sentence_says_what_installs_it(tmp_path, monkeypatch, capsys):
    begin(tmp_path / "ours")
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", None)
    assert main(["lab", str(tmp_path / "ours")]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "pip install 'retention-kit[lab]'" in message


@pytest.mark.parametrize(
    ("keep", "page"),
    [
        (("retention.toml", "notebooks"), "/lab/tree/notebooks/01_explore.ipynb"),
        (("notebooks",), "/lab/tree/notebooks/01_explore.ipynb"),
        (("retention.toml",), "/lab"),
    ],
)
def test_it_opens_the_first_notebook_there_is(tmp_path, monkeypatch, keep, page):
    labapp = pytest.importorskip("jupyterlab.labapp", reason="JupyterLab is not installed")
    begin(tmp_path / "ours")
    for path in (tmp_path / "ours").iterdir():
        if path.name not in keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    monkeypatch.chdir(tmp_path / "ours")
    calls = []
    monkeypatch.setattr(labapp.LabApp, "launch_instance", calls.append)
    assert main(["lab"]) == 0
    assert main(["lab", ".", "--no-browser", "--port=9000"]) == 0
    expected = ["-y", f"--ServerApp.root_dir={(tmp_path / 'ours').resolve()}", f"--LabApp.default_url={page}"]
    assert calls == [expected, [*expected, "--no-browser", "--port=9000"]]


def test_init_says_that_it_is_there(tmp_path, capsys):
    assert main(["init", str(tmp_path / "ours")]) == 0
    assert "  retention-kit lab\n" in capsys.readouterr().out


# In JupyterLab.


@pytest.mark.browser
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no terminal to lend")
def test_ctrl_c_ends_it_without_a_question(tmp_path):
    import pty

    begin(tmp_path / "ours")
    (tmp_path / "private").mkdir()
    terminal, lent = pty.openpty()  # JupyterLab would ask for confirmation at one
    try:
        with served(tmp_path / "ours", tmp_path / "private", stdin=lent) as (server, _):
            server.send_signal(signal.SIGINT)
            assert server.wait(SECONDS) == 0
    finally:
        os.close(terminal)
        os.close(lent)
    assert list((tmp_path / "private" / "runtime").glob("jpserver-*")) == []


@pytest.fixture(scope="module")
def templates(tmp_path_factory) -> Iterator[dict]:
    """The templates as an analyst's notebooks, in a JupyterLab that serves them all."""
    folder, private = tmp_path_factory.mktemp("templates"), tmp_path_factory.mktemp("private")
    (folder / "notebooks").mkdir()
    for name in TEMPLATES:
        shutil.copy(templates_dir() / name, folder / "notebooks")
    with served(folder, private) as (_, server):
        yield server


@pytest.mark.browser
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_runs_from_top_to_bottom_and_draws_its_charts(chromium, templates, name):
    lab = Lab(chromium.new_page(viewport={"width": 1400, "height": 1000}), templates)
    try:
        lab.open(f"notebooks/{name}")
        lab.run_all()
        count = lab.page.locator(".jp-OutputArea-output").count()
        charts = lab.drawn(".jp-RenderedVegaCommon5")
        assert count >= (2 if name == "goals.ipynb" else 3)  # the sample company has no goals
        assert (charts > 0) == (name not in ("overview.ipynb", "goals.ipynb"))
        assert lab.page.locator(".jp-RenderedHTMLCommon figure.chart").count() == 0  # a description is no chart
        assert "Traceback" not in " ".join(lab.page.locator(".jp-OutputArea-output").all_inner_texts())
    except BaseException:
        lab.page.close()
        raise
    lab.close()


def figure(data: rk.Dataset, metric: str, period: str, segment: str = "") -> str:
    """A figure as a card tells it."""
    rows = rk.scorecard(data, period, metrics=[metric], segment=segment or None)
    row = rows[rows["segment"] == (segment.partition("=")[0])].iloc[0]
    return Words("en", data.settings.report.currency).value(row["value"], row["unit"])


@pytest.mark.browser
@pytest.mark.parametrize(
    ("company", "periods", "column", "value"),
    [
        ("sample", {"2025-12": "December 2025", "2025-09": "September 2025"}, "channel", "web"),
        ("retail", {"2011-11": "November 2011", "2011-08": "August 2011"}, "country", "Germany"),
    ],
)
def test_an_analyst_explores_and_builds_a_report(request, chromium, tmp_path, company, periods, column, value):
    """The sample by day, and Online Retail by night: figures change with what is chosen, and the pack is that of the
    choice.
    """
    folder = tmp_path / "ours"
    begin(folder)
    if company == "retail":
        invoices(folder, request.getfixturevalue("shared"))
    data, metric, (last, other) = rk.load(folder), "customer_retention_rate", periods
    with opened(chromium, folder, tmp_path / "private") as lab:
        lab.open()
        if company == "retail":
            lab.darken()
        lab.run_all()
        lab.card(metric, figure(data, metric, last))
        lab.drawn(".rk-trend")
        whole = lab.picture()
        assert lab.page.eval_on_selector(".rk-card", CONTRAST) >= 4.5

        lab.select("Period", periods[other])
        lab.card(metric, figure(data, metric, other))
        earlier = lab.changed(whole)

        lab.select("Segment", column)
        lab.explorer.get_by_label("Values", exact=True).locator("option", has_text=value).first.wait_for(
            state="attached"
        )
        lab.select("Values", value)
        lab.card(metric, figure(data, metric, other, f"{column}={value}"))
        lab.changed(earlier)

        lab.explorer.get_by_role("button", name="Build report").click()
        links = lab.explorer.locator(".rk-report a")
        links.first.wait_for()
        (pack,) = (folder / "reports").glob("2*")
        assert pack.name == other
        files = {path.name for path in pack.iterdir() if path.is_file()}
        alone = f".{column}-{value}"
        assert {f"report.en{alone}.html", f"report.en{alone}.pdf", f"scorecard{alone}.csv", "manifest.json"} <= files
        assert {f"report.en{alone}.html", f"report.en{alone}.pdf"} <= set(links.all_inner_texts())
        page = (pack / f"report.en{alone}.html").read_text("utf-8")
        assert figure(data, metric, other, f"{column}={value}") in page


# The texts of the cards that hold more than they show.
CUT = """cards => cards.filter(card => card.scrollWidth > card.clientWidth + 1 || card.scrollHeight > card.clientHeight + 1)
  .map(card => card.innerText)"""


@pytest.mark.browser
def test_the_explorer_keeps_its_keys_opens_the_report_whole_and_fits(chromium, tmp_path):
    """A control's keys do not reach the cell, a link opens the page with its charts, and no card is cut where it is
    narrow.
    """
    folder = tmp_path / "ours"
    begin(folder)
    metric = "customer_retention_rate"
    with opened(chromium, folder, tmp_path / "private") as lab:
        lab.open()
        lab.run_all()
        lab.card(metric, figure(rk.load(folder), metric, "2025-12"))
        lab.drawn(".rk-trend")
        cells = "cells => cells.map(cell => cell.className.match(/jp-(Code|Markdown|Raw)Cell/)?.[0])"
        before = lab.page.eval_on_selector_all(".jp-Notebook .jp-Cell", cells)

        for element in (
            lab.explorer.get_by_label("Compare with", exact=True),
            lab.explorer.get_by_role("button", name="Build report"),
        ):
            element.focus()
            for key in ("m", "a", "b", "x", "d", "d"):
                lab.page.keyboard.press(key)
        lab.page.wait_for_timeout(500)
        assert lab.page.eval_on_selector_all(".jp-Notebook .jp-Cell", cells) == before

        for width in (1280, 900, 468):
            lab.explorer.evaluate("(box, width) => { box.style.inlineSize = `${width}px`; }", width)
            assert lab.explorer.locator(".rk-card").evaluate_all(CUT) == []
            assert lab.explorer.evaluate("box => box.querySelector('.rk-controls').scrollWidth <= box.clientWidth")
        lab.explorer.evaluate("box => { box.style.inlineSize = ''; }")

        lab.explorer.get_by_role("button", name="Build report").click()
        link = lab.explorer.locator(".rk-report a", has_text="report.en.html")
        link.wait_for()
        errors = []
        with lab.page.context.expect_page() as popup:
            link.click()
        popup.value.on("console", lambda message: message.type == "error" and errors.append(message.text))
        popup.value.wait_for_url("**/report.en.html*")  # it opens empty, and what is empty cannot be loaded again
        popup.value.reload()
        popup.value.locator("svg .role-mark, canvas").first.wait_for(state="attached")
        assert urlsplit(popup.value.url).path.endswith("/files/reports/2025-12/report.en.html")
        assert errors == []
        popup.value.close()
