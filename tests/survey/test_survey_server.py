"""The survey's server as a process: killed, scanned, and used in a real browser."""

from __future__ import annotations

import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from uuid import uuid4

import pytest

import retention_kit as rk
from retention_kit.cli import main
from retention_kit.survey.store import Store

pytest.importorskip("uvicorn", reason="the survey extra is not installed")

from retention_kit.survey.invitations import FIELD, mail_block
from retention_kit.survey.page import form_page, text_page
from retention_kit.survey.questions import Answers
from survey_server import SurveyServer, storm
from test_mail_clients import IGNORED, modules, run_checks  # noqa: F401, a fixture

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
ALL = ["nps", "csat", "ces"]
# What some mail programs ignore of the block, and why nothing is lost there.
LOST_IN_MAIL = IGNORED | {
    "<bdi> element": "the company's name is then set as its letters are",
    "aria-label attribute": "the number is read, and its meaning stands below",
    "border-radius": "the corners are square",
    "text-decoration": "numbers are underlined",
}


class Survey:
    """A server, and the links of five customers to whom it puts some questions; they are invited while it serves."""

    def __init__(self, server: SurveyServer, surveys: list[str]):
        self.server, self._group = server, uuid4().hex
        store = Store(server.path)
        with store.invite([f"{self._group} c{number}" for number in range(5)], surveys, 0) as invited:
            self.tokens = [*invited.tokens.values()]
        store.close()

    def link(self, number: int, query: str = "") -> str:
        return f"{self.server.url}/s/{self.tokens[number]}?{query}"

    def rows(self) -> list[tuple]:
        """Survey, score, customer and comment of their answers, as another process reads them."""
        query = "SELECT survey, score, substr(customer_id, 34), comment FROM responses WHERE customer_id LIKE ? ORDER BY 1, 3"
        with closing(sqlite3.connect(f"{self.server.path.as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute(query, [f"{self._group}%"]).fetchall()


@contextmanager
def _served(folder: Path) -> Iterator[SurveyServer]:
    Store(folder / "survey.sqlite", make=True).close()
    with SurveyServer(folder / "survey.sqlite", "--company", "Example Ltd") as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[SurveyServer]:
    """One that serves all the time."""
    with _served(tmp_path_factory.mktemp("survey")) as server:
        yield server


@pytest.fixture
def surveys() -> list[str]:
    return ["nps"]


@pytest.fixture
def survey(server, surveys) -> Survey:
    return Survey(server, surveys)


@pytest.fixture
def own_survey(tmp_path) -> Iterator[Survey]:
    """Customers of a server of the test's own, which may be ended."""
    with _served(tmp_path) as server:
        yield Survey(server, ["nps"])


@pytest.mark.server
@pytest.mark.long
@pytest.mark.parametrize(("customers", "kills"), [(500, 0), (300, 3)])
def test_no_answer_is_lost_or_doubled(tmp_path, customers, kills):
    counts = storm(tmp_path / "survey.sqlite", customers, kills, seed=customers)
    assert (counts["acknowledged"], counts["stored"]) == (customers, customers)
    wrong = ("lost", "doubled", "altered", "again: False", "tracebacks", "tokens told", "open to others")
    assert {name: counts[name] for name in wrong if counts[name]} == {}


@pytest.mark.server
def test_what_a_killed_server_has_left_is_read_at_once(own_survey, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for index, token in enumerate(own_survey.tokens):
        assert own_survey.server.ask("POST", f"/s/{token}", {"nps": str(index)})[0] == 303
    own_survey.server.end(signal.SIGKILL)
    assert Path("survey.sqlite-wal").stat().st_size > 0
    before = {path.name: path.read_bytes() for path in tmp_path.glob("survey.sqlite*") if path.suffix != ".sqlite-shm"}
    assert "response_count" in {*rk.scorecard(rk.load("survey.sqlite"), f"{time.gmtime().tm_year}")["metric"]}
    after = {path.name: path.read_bytes() for path in tmp_path.glob("survey.sqlite*") if path.suffix != ".sqlite-shm"}
    assert after == before
    assert main(["survey", "export"]) == 0
    assert len(Path("responses.csv").read_text("utf-8").splitlines()) == 6


@pytest.mark.server
def test_it_ends_on_request_and_logs_no_token(own_survey):
    for token in own_survey.tokens:
        for path in (f"/s/{token}", f"/s/{token}?nps=9", f"/s/{token}x", f"/{token}"):
            own_survey.server.ask("GET", path)
            own_survey.server.ask("HEAD", path)
    assert (
        own_survey.server.ask("POST", f"/s/{own_survey.tokens[0]}", {"nps": "9"}, {"Sec-Fetch-Site": "cross-site"})[0]
        == 403
    )
    assert own_survey.rows() == []
    assert own_survey.server.end(signal.SIGTERM) == 130
    log = "".join(own_survey.server.log)
    assert re.fullmatch(r"(retention-kit: .*\n){2}", log)
    assert [token for token in own_survey.tokens if token in log] == []


@pytest.mark.server
def test_a_port_that_is_taken_is_one_sentence(survey, capsys):
    command = ["survey", "serve", "--store", str(survey.server.path), "--port", str(survey.server.port)]
    assert main(command) == 1
    assert "cannot be served at 127.0.0.1" in capsys.readouterr().err
    assert main([*command, "--host", "192.0.2.1"]) == 1
    assert "cannot be served at 192.0.2.1" in capsys.readouterr().err
    assert main([*command, "--port", "99999"]) == 2
    assert "--port '99999' is not a whole number from 0 to 65,535." in capsys.readouterr().err


# In Chromium.


class Opened:
    """A tab, with all that it asked for and all that it complained about."""

    def __init__(self, context):
        self.page = context.new_page()
        self.requests, self.console = [], []
        self.page.on("request", lambda request: self.requests.append(f"{request.method} {request.url}"))
        self.page.on("console", lambda message: self.console.append(message.text))
        self.page.on("pageerror", lambda error: self.console.append(str(error)))


@pytest.fixture(params=["en", "ar"])
def language(request) -> str:
    return request.param


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def size(request) -> dict:
    return request.param


@pytest.fixture
def tab(chromium, size, language) -> Iterator[Opened]:
    """As a reader of that language has it, without any script: none is needed."""
    context = chromium.new_context(viewport=size, locale=language, java_script_enabled=False)
    yield Opened(context)
    context.close()


@pytest.mark.browser
def test_a_link_of_a_mail_is_confirmed_and_kept(survey, tab, language):
    page = tab.page
    page.goto(survey.link(0, "nps=9"))
    assert page.locator("input:checked").get_attribute("value") == "9"
    assert page.locator("html").get_attribute("dir") == ("rtl" if language == "ar" else "ltr")
    assert survey.rows() == []
    page.fill("textarea", "سريع\nand kind")
    page.click("button")
    assert page.url == f"{survey.server.url}/thanks?lang={language}"
    assert page.locator("h1").inner_text() == {"en": "Thank you", "ar": "شكرًا لك"}[language]
    assert survey.rows() == [("nps", 9, "c0", "سريع\nand kind")]
    page.go_back()
    page.goto(survey.link(0, "nps=3"))
    assert page.locator("form").count() == 0
    assert tab.console == []
    assert all(where.split(" ")[1].startswith(survey.server.url) for where in tab.requests)
    assert page.context.cookies() == []


@pytest.mark.browser
@pytest.mark.parametrize("surveys", [ALL], ids=["all"])
def test_the_keyboard_alone_is_enough(survey, tab):
    page = tab.page
    page.goto(survey.link(0))
    # The language, the first question, the second left out, the third, the comment, the button.
    for keys in (["Tab"], ["Tab", "Space", "ArrowDown"], ["Tab"], ["Tab", "Space"], ["Tab"], ["Tab", "Enter"]):
        for key in keys:
            page.keyboard.press(key)
    page.wait_for_url("**/thanks*")
    assert survey.rows() == [("ces", 1, "c0", None), ("nps", 1, "c0", None)]


@pytest.mark.browser
@pytest.mark.parametrize("surveys", [ALL], ids=["all"])
def test_what_is_missing_is_said_first_and_leads_there(survey, tab, language):
    page = tab.page
    page.goto(survey.link(0, f"lang={language}"))
    page.fill("textarea", "kept")
    page.click("button")
    assert page.title().startswith({"en": "Error: ", "ar": "خطأ: "}[language])
    assert page.locator(".errors:focus").count() == 1
    assert page.locator("textarea").input_value() == "kept"
    for key in ("Tab", "Enter", "Space"):
        page.keyboard.press(key)
    page.locator("button").press("Enter")
    page.wait_for_url("**/thanks*")
    assert survey.rows() == [("nps", 0, "c0", "kept")]


@pytest.mark.browser
@pytest.mark.parametrize("surveys", [ALL], ids=["all"])
@pytest.mark.parametrize(("size", "language"), [(DESK, "en"), (PHONE, "ar")], ids=["desk", "phone"], indirect=True)
@pytest.mark.parametrize("look", [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"forced_colors": "active"}])
def test_axe_finds_no_violation_and_nothing_is_too_small_or_too_wide(axe, survey, chromium, size, language, look):
    context = chromium.new_context(viewport=size, locale=language, **look)
    context.add_init_script(path=axe)
    page = context.new_page()
    page.goto(survey.link(0))
    _send(page)
    _check(page)
    page.goto(survey.link(0, "nps=9"))
    _check(page)
    boxes = [box.bounding_box() for box in page.locator("label:has(input), button, textarea").all()]
    assert [box for box in boxes if box["width"] < 24 or box["height"] < 44] == []
    _send(page)
    _check(page)
    context.close()


def _send(page) -> None:
    with page.expect_navigation():  # else the page that is left may be the one that is looked at
        page.click("button")


def _check(page) -> None:
    result = page.evaluate("axe.run()")
    assert len(result["passes"]) > 8
    assert [(rule["id"], node["html"]) for rule in result["violations"] for node in rule["nodes"]] == []
    assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]
    levels = page.eval_on_selector_all("h1, h2", "found => found.map(heading => heading.tagName)")
    assert (levels[0], levels.count("H1")) == ("H1", 1)


@pytest.mark.browser
def test_the_markup_of_form_and_block_is_sound(modules):  # noqa: F811
    wrong = Answers({"nps": 9}, "x", {"csat": "score", "comment": "comment"})
    block = mail_block(["nps"], "ar", "Ex & Co")["mail.ar.html"].replace(
        FIELD, "https://survey.example.com/s/T?lang=ar"
    )
    pages = {
        "form": form_page(ALL, "ar", "Ex & Co", wrong, [("nps", "9")]),
        "thanks": text_page("thanks", "en"),
        "block": f'<!DOCTYPE html><html lang="ar"><head><title>T</title></head><body>{block}</body></html>',
    }
    verdicts = {name: run_checks(modules, page) for name, page in pages.items()}
    assert {name: verdict["markup"] for name, verdict in verdicts.items()} == {name: [] for name in pages}
    assert {
        feature for features in verdicts["block"]["clients"].values() for feature in features
    } <= LOST_IN_MAIL.keys()


@pytest.fixture
def other_site() -> Iterator[tuple[str, list[str]]]:
    """A site of somebody else, which shows what is put into the list."""
    pages = [""]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(pages[0].encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}", pages
        server.shutdown()


@pytest.mark.browser
def test_a_form_on_another_site_answers_for_nobody(survey, chromium, other_site):
    url, pages = other_site
    context = chromium.new_context()
    page = context.new_page()
    pages[0] = f'<form method="post" action="{survey.link(0)}"><input name="nps" value="0"><button>Go</button></form>'
    page.goto(url)
    page.click("button")
    assert page.locator("h1").inner_text() == "Your answer was not sent"
    pages[0] = f'<iframe src="{survey.link(1, "nps=0")}"></iframe>'  # nor can it be laid under another page
    page.goto(url)
    assert page.frames[1].locator("button").count() == 0
    assert survey.rows() == []
    context.close()
