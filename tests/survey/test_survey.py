"""The survey: what the form takes and refuses, what the store keeps, what invitations are written."""

from __future__ import annotations

import asyncio
import csv
import re
import sqlite3
import stat
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

import retention_kit as rk
from retention_kit.cli import main, parser
from retention_kit.errors import ReportError, SettingsError
from retention_kit.survey import invitations, limits, links, questions, store, words
from retention_kit.survey.questions import COMMENT, SCALES, parse_body, parse_score

pytest.importorskip("starlette", reason="the survey extra is not installed")

from retention_kit.survey import app as survey_app

ALL = list(SCALES)
URL = "https://survey.example.com"


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str

    @property
    def page(self) -> BeautifulSoup:
        return BeautifulSoup(self.text, "html.parser")


class Form:
    """The application on a store in memory of a disk, asked without a server."""

    def __init__(self, folder: Path, surveys=("nps",), customers=("c1", "c2", "c3"), **options):
        self.path = folder / "survey.sqlite"
        self.store = store.Store(self.path, make=True)
        with self.store.invite(customers, surveys, 90) as invited:
            self.tokens = invited.tokens
        self.app = survey_app.make_app(self.store, **options)

    def ask(self, method: str, path: str, body: bytes | list[bytes] = b"", peer: str = "198.51.100.7", **headers: str):
        parts = body if isinstance(body, list) else [body]
        where = urlsplit(path)
        headers = {"host": "survey.example.com", **headers}
        messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        messages[-1]["more_body"] = False
        sent: list[dict] = []

        async def receive() -> dict:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: dict) -> None:
            sent.append(message)

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "https",
            "path": where.path, "raw_path": where.path.encode(), "query_string": where.query.encode(), "root_path": "",
            "headers": [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()],
            "client": (peer, 1), "server": ("127.0.0.1", 8000),
        }  # fmt: skip
        asyncio.run(self.app(scope, receive, send))
        start, *rest = sent
        reply_headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return Reply(start["status"], reply_headers, b"".join(part.get("body", b"") for part in rest).decode())

    def get(self, customer: str, query: str = "", **more) -> Reply:
        return self.ask("GET", f"/s/{self.tokens[customer]}?{query}", **more)

    def post(self, customer: str, fields: dict | None = None, query: str = "", **more) -> Reply:
        more = {"content_type": "application/x-www-form-urlencoded", "body": urlencode(fields or {}).encode(), **more}
        return self.ask("POST", f"/s/{self.tokens[customer]}?{query}", **more)

    def rows(self) -> list[tuple]:
        """Survey, score, customer and comment of all answers."""
        return [(row[1], row[2], row[4], row[6]) for row in self.store.responses()]


@pytest.fixture
def form(tmp_path) -> Form:
    return Form(tmp_path)


# What a browser sends.


def digits(number: int, zero: str) -> str:
    return "".join(chr(ord(zero) + int(digit)) for digit in str(number))


@given(survey=st.sampled_from(ALL), score=st.integers(0, 99), zero=st.sampled_from("0٠۰०０"))
def test_a_score_is_read_in_the_digits_of_any_script(survey, score, zero):
    low, high = SCALES[survey]
    assert parse_score(survey, digits(score, zero)) == (score if low <= score <= high else None)


@given(text=st.text(max_size=6))
def test_what_is_no_whole_number_on_the_scale_is_no_score(text):
    score = parse_score("nps", text)
    assert (score is not None) == (text.isdecimal() and len(text) <= 2 and 0 <= int(text) <= 10)


@given(
    body=st.one_of(st.binary(max_size=200), st.text(alphabet="npscate=&%0123456789٣;+", max_size=60).map(str.encode))
)
def test_any_body_is_answers_on_the_scales_or_errors_and_never_a_crash(body):
    result = parse_body(body, ALL)
    assert all(SCALES[name][0] <= score <= SCALES[name][1] for name, score in result.scores.items())
    assert result.scores or result.errors


@given(
    scores=st.fixed_dictionaries({}, optional={name: st.integers(*SCALES[name]) for name in ALL}),
    comment=st.text(max_size=50),
)
def test_what_the_form_sends_is_what_is_read(scores, comment):
    result = parse_body(urlencode({**scores, "comment": comment.encode("utf-8", "replace")}).encode(), ALL)
    assert result.scores == scores
    assert (result.comment or "") == questions.clean_comment(comment.encode("utf-8", "replace").decode())
    assert bool(result.errors) == (not scores)


BODIES = {  # what is sent, where all three are asked: the scores that count, and what is wrong
    "nps=9": ({"nps": 9}, {}),
    "nps=%D9%A9": ({"nps": 9}, {}),
    "nps=9&csat=&ces=": ({"nps": 9}, {}),
    "nps=9&other=1&_csrf=x": ({"nps": 9}, {}),
    "nps=9&nps=9": ({"nps": 9}, {}),
    "nps=9&nps=3": ({}, {"nps": "score"}),
    "nps=11": ({}, {"nps": "score"}),
    "nps=-1&csat=5": ({"csat": 5}, {"nps": "score"}),
    "nps=9.5": ({}, {"nps": "score"}),
    "csat=0": ({}, {"csat": "score"}),
    "": ({}, {"nps": "none_of_several"}),
    "comment=only": ({}, {"nps": "none_of_several"}),
    "nps=9&comment=" + "x" * (COMMENT + 1): ({"nps": 9}, {"comment": "comment"}),
    "&".join(f"a{number}=1" for number in range(30)): ({}, {"nps": "unreadable"}),
}


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:20])
def test_a_form_body_gives_its_scores_and_errors(body):
    result = parse_body(body.encode(), ALL)
    assert (result.scores, result.errors) == BODIES[body]


def test_a_comment_is_text_in_one_form():
    assert questions.clean_comment(" cafe\u0301\r\nb\x00\x1b[31m\u2028c\t ") == "café\nb[31m\nc"


def test_a_comment_of_emoji_fits_into_the_largest_body(form):
    fields = {"nps": "9", "comment": "€" * COMMENT}
    assert len(urlencode(fields)) < survey_app.BODY
    assert form.post("c1", fields).status == 303


# Who asks what, and what becomes of it.


def test_an_answer_is_kept_once_and_leads_to_thanks(form):
    reply = form.post("c1", {"nps": "9", "comment": "Quick,\r\nkind"}, query="lang=ar&nps=3")
    assert (reply.status, reply.headers["location"], reply.text) == (303, "../thanks?lang=ar", "")
    assert form.rows() == [("nps", 9, "c1", "Quick,\nkind")]
    assert form.ask("GET", "/thanks?lang=ar").page.h1.text == "شكرًا لك"


def test_the_same_answer_again_is_fine_and_another_is_refused(form):
    form.post("c1", {"nps": "9"})
    assert form.post("c1", {"nps": "9"}).status == 303
    for other in ({"nps": "8"}, {"nps": "9", "comment": "more"}, {}, {"nps": "bad"}):
        reply = form.post("c1", other)
        assert (reply.status, reply.page.h1.text) == (409, "This survey is answered already")
    assert form.get("c1").page.h1.text == "This survey is answered already"
    assert form.rows() == [("nps", 9, "c1", None)]


def test_of_several_questions_some_may_be_left_out_and_none_added_later(tmp_path):
    form = Form(tmp_path, ALL)
    assert form.post("c1", {"csat": "4", "ces": "7", "comment": "ok"}).status == 303
    assert form.post("c1", {"nps": "1"}).status == 409
    assert form.rows() == [("csat", 4, "c1", "ok"), ("ces", 7, "c1", None)]


def test_what_was_not_asked_is_not_kept(tmp_path):
    form = Form(tmp_path, ["csat"])
    assert form.post("c1", {"nps": "10"}).status == 422
    assert form.post("c1", {"nps": "10", "csat": "2"}).status == 303
    assert form.rows() == [("csat", 2, "c1", None)]


def test_reading_never_writes(form):
    before = form.path.read_bytes(), form.store._connection.total_changes
    for method in ("GET", "HEAD"):
        for query in ("", "nps=9", "nps=9&comment=x&lang=ar", "nps=99"):
            for customer, token in form.tokens.items():
                form.ask(method, f"/s/{token}?{query}", peer=customer)
                form.ask(method, f"/s/{token}/nps/9?{query}", peer=customer)
        form.ask(method, "/thanks")
    assert (form.path.read_bytes(), form.store._connection.total_changes) == before
    assert form.rows() == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_other_methods_are_refused(form, method):
    assert form.ask(method, f"/s/{form.tokens['c1']}", b"nps=9").status == 405
    assert form.rows() == []


@pytest.mark.parametrize("token", ["a" * 32, "x", "", "..%2f", "'--", "A" * 5000, "٣" * 32, "a" * 31 + "%00"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_forged_tokens_lead_nowhere(form, token, method):
    reply = form.ask(method, f"/s/{token}", b"nps=9", content_type="application/x-www-form-urlencoded")
    assert (reply.status, reply.page.h1.text) == (404, "This link does not work")
    reply = form.ask(method, f"/s/{token}", accept_language="ar-EG,en;q=.5")
    assert (reply.status, reply.page.html["dir"]) == (404, "rtl")


def test_a_token_survives_programs_that_change_its_case(form):
    form.tokens = {customer: token.upper() for customer, token in form.tokens.items()}
    assert form.post("c1", {"nps": "9"}).status == 303


ORIGINS = {  # headers of a POST: whether it is taken
    "": True,
    "sec_fetch_site=same-origin": True,
    "sec_fetch_site=same-origin origin=null": True,
    "origin=https://survey.example.com": True,
    "origin=https://SURVEY.example.com": True,
    "origin=https://public.example.com": True,
    "sec_fetch_site=cross-site": False,
    "sec_fetch_site=same-site": False,
    "sec_fetch_site=cross-site origin=https://survey.example.com": False,
    "origin=https://evil.example": False,
    "origin=https://survey.example.com.evil.example": False,
    "origin=https://public.example.com.evil.example": False,
    "origin=https://survey.example.com:8443": False,
    "origin=http://public.example.com": False,
    "origin=null": False,
    "origin=http://[": False,
    "origin=": False,
    "host= origin=": False,
}


@pytest.mark.parametrize("case", ORIGINS)
def test_only_our_own_page_may_send(tmp_path, case):
    form = Form(tmp_path, public_url="https://public.example.com/x")
    headers = dict(part.split("=") for part in case.split())
    assert form.post("c1", {"nps": "9"}, **headers).status == (303 if ORIGINS[case] else 403)
    assert len(form.rows()) == ORIGINS[case]


def test_bodies_that_are_too_large_are_refused_whole(form):
    part = b"nps=9&comment=" + b"x" * 2_000
    for body in (part * 20, [part] * 20, [part] * 2_000):
        assert form.post("c1", body=body).status == 413
    assert form.post("c1", content_length=str(10**9)).status == 413
    assert form.post("c1", content_length="many").status == 400
    assert form.rows() == []


@pytest.mark.parametrize("kind", ["", "application/json", "multipart/form-data; boundary=x", "text/plain"])
def test_other_kinds_of_bodies_are_refused(form, kind):
    assert form.post("c1", {"nps": "9"}, content_type=kind).status == 415
    assert form.rows() == []


def test_a_form_without_an_answer_comes_back_with_what_is_wrong(form):
    reply = form.post("c1", {"comment": "<b>a\"'</b>"})
    page = reply.page
    assert (reply.status, page.title.text) == (422, "Error: Your opinion")
    [error] = page.select(".errors a")
    assert (error.text, page.select_one(error["href"])["name"]) == ("Choose a number from 0 to 10.", "nps")
    assert page.select_one("fieldset .error")["id"] in page.fieldset["aria-describedby"].split()
    assert page.textarea.text.strip() == "<b>a\"'</b>"
    assert "<b>a" not in reply.text
    assert form.post("c1", {"nps": "3"}).status == 303


def test_a_link_chooses_beforehand(form):
    def chosen(query: str) -> list[str]:
        return [element["value"] for element in form.get("c1", query).page.select("input[checked]")]

    assert chosen("nps=9") == chosen(urlencode({"nps": "٩"})) == ["9"]
    assert chosen("") == chosen("nps=11") == chosen("nps=x") == chosen("csat=3") == chosen("nps=") == []


def test_one_token_may_try_so_often_and_others_go_on(form):
    states = [form.post("c1", {}).status for _ in range(survey_app.POSTS + 2)]
    assert states == [422] * survey_app.POSTS + [429] * 2
    assert form.post("c1", {"nps": "9"}).headers["retry-after"] == "60"
    assert form.post("c2", {"nps": "9"}).status == 303


def test_who_guesses_is_slowed_down_and_whoever_has_a_link_is_not(form):
    states = [form.ask("GET", "/s/guess").status for _ in range(survey_app.FAILURES + 2)]
    assert states == [404] * survey_app.FAILURES + [429] * 2
    assert form.ask("GET", "/s/guess", peer="203.0.113.1").status == 404
    assert (form.get("c1").status, form.post("c1", {"nps": "9"}).status) == (200, 303)


def test_a_limit_allows_again_after_its_window():
    now = [0.0]
    limit = limits.Limit(2, lambda: now[0])
    assert [limit.allows("a"), limit.allows("a"), limit.allows("a"), limit.allows("b")] == [True, True, False, True]
    now[0] = limits.WINDOW
    assert limit.allows("a")
    for key in range(20_000):
        limit.allows(str(key))
    assert len(limit._counts) <= limits._MOST_KEYS


def test_every_reply_is_private_and_loads_nothing(form):
    replies = [
        form.get("c1"),
        form.post("c1", {}),
        form.ask("GET", "/s/none"),
        form.ask("GET", "/thanks"),
        form.ask("GET", "/"),
        form.ask("PUT", "/thanks"),
        form.post("c1", {"nps": "9"}, origin="https://evil.example"),
        form.post("c1", {"nps": "9"}),
    ]
    for reply in replies:
        assert reply.headers["cache-control"] == "no-store"
        assert "noindex" in reply.headers["x-robots-tag"]
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
        assert reply.headers["referrer-policy"] == ("same-origin" if "<form" in reply.text else "no-referrer")
        assert "set-cookie" not in reply.headers
        assert not re.search(r"<script|https?:|//|@import|url\(| on\w+=", reply.text.replace("<!doctype", ""))


def test_a_fault_is_told_in_the_readers_language_and_keeps_the_token_to_itself(form, monkeypatch, caplog):
    def fail(*_):
        raise ReportError("survey.sqlite cannot be written to: database or disk is full.")

    monkeypatch.setattr(form.store, "answer", fail)
    reply = form.post("c1", {"nps": "9"}, query="lang=ar")
    assert (reply.status, reply.page.h1.text) == (503, "لم تُحفَظ إجابتك")
    assert "disk is full" in caplog.text
    assert form.tokens["c1"] not in caplog.text


def test_behind_a_proxy_with_a_prefix_both_forms_of_paths_work(tmp_path):
    form = Form(tmp_path, root_path="/survey")
    token = form.tokens["c1"]
    assert form.ask("GET", f"/survey/s/{token}").status == form.ask("GET", f"/s/{token}").status == 200


# Languages.


def keys(mapping: dict, before: str = "") -> set[str]:
    return {
        key
        for name, value in mapping.items()
        for key in (keys(value, f"{before}{name}.") if isinstance(value, dict) else {before + name})
    }


def test_every_language_has_the_same_words_with_the_same_fields():
    folder = Path(words.__file__).parent / "words"
    by_language = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in folder.glob("*.toml")}
    assert sorted(by_language) == ["ar", "en"]
    assert keys(by_language["ar"]) == keys(by_language["en"])

    def fields(language: str) -> dict[str, set[str]]:
        flat = {}
        for key in keys(by_language[language]):
            value = by_language[language]
            for part in key.split("."):
                value = value[part]
            flat[key] = set(re.findall(r"\{\w+\}", value))
        return flat

    assert fields("ar") == fields("en")


LANGUAGES = {  # what a link and a browser say: what is spoken
    (None, None): "en", (None, "ar"): "ar", (None, "ar-EG,en;q=0.8"): "ar", (None, "en;q=0.3,ar;q=0.9"): "ar",
    (None, "fr,de"): "en", (None, "fr,ar;q=0.1"): "ar", (None, "ar;q=0"): "en", (None, "ar;q=x,,;"): "en",
    ("ar", "en"): "ar", ("AR-sa", None): "ar", ("xx", "ar"): "ar", ("../en", None): "en", (None, "ar" * 5000): "en",
}  # fmt: skip


@pytest.mark.parametrize("arguments", LANGUAGES, ids=str)
def test_which_language_is_spoken(arguments):
    assert words.choose_language(*arguments) == LANGUAGES[arguments]


def test_the_form_in_arabic_runs_from_right_to_left_and_names_the_company_apart(tmp_path):
    form = Form(tmp_path, ALL, company='<Ex & "Co">')
    page = form.get("c1", "lang=ar&nps=9").page
    assert (page.html["lang"], page.html["dir"]) == ("ar", "rtl")
    assert [bdi.text for bdi in page.select("bdi")] == ['<Ex & "Co">'] * 3
    assert [label.text for label in page.fieldset.select("label")] == [digits(score, "٠") for score in range(11)]
    [other] = page.select("nav a")
    assert (parse_qs(other["href"][1:]), other["lang"]) == ({"nps": ["9"], "lang": ["en"]}, "en")


# The store.


def test_only_hashes_of_tokens_are_kept(form):
    form.post("c1", {"nps": "9"})
    form.store.close()
    stored = b"".join(path.read_bytes() for path in form.path.parent.iterdir())
    assert not any(token.encode() in stored for token in form.tokens.values())
    assert len({*form.tokens.values()}) == 3
    assert all(store.hash_token(token).encode() in stored for token in form.tokens.values())


def test_the_files_are_for_their_owner_alone(form):
    form.post("c1", {"nps": "9"})
    for path in form.path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_the_database_itself_refuses_doubles_and_scores_beside_the_scale(form):
    form.post("c1", {"nps": "9"})
    run, hashed = form.store._connection.execute, store.hash_token(form.tokens["c1"])
    for row in (("nps", 3), ("nps", 11), ("csat", 0), ("nps", "x"), ("other", 3)):
        with pytest.raises(sqlite3.IntegrityError):
            run("INSERT INTO answers (hash, survey, score, responded_at) VALUES (?, ?, ?, '')", [hashed, *row])


def test_what_is_no_store_of_ours_is_refused(tmp_path):
    sqlite3.connect(tmp_path / "other.sqlite").execute("CREATE TABLE x (y)").connection.close()
    (tmp_path / "text.sqlite").write_text("hello " * 100)
    for name, message in {
        "other.sqlite": "holds no invitations",
        "text.sqlite": "cannot be used as a file of answers",
        "othr.sqlite": "did you mean 'other.sqlite'?",
    }.items():
        with pytest.raises(SettingsError, match=re.escape(message)):
            store.Store(tmp_path / name)


def test_answers_are_a_table_of_responses_while_the_form_is_served(tmp_path, monkeypatch):
    form = Form(tmp_path, ALL, [f"c{number}" for number in range(40)])
    for index, customer in enumerate(form.tokens):
        form.post(customer, {"nps": str(index % 11), "csat": "5", "comment": "=1+1"})
    monkeypatch.chdir(tmp_path)
    Path("retention.toml").write_text('[data]\nresponses = "survey.sqlite"\n')
    data = rk.load("retention.toml")
    today = datetime.now(UTC)
    row = rk.scorecard(data, f"{today:%Y-%m}", metrics=["response_count", "net_promoter_score"])
    assert [*row["value"]] == [80, 100 * (6 - 28) / 40]
    assert set(data.quality["check"]) & {"identical row", "score outside its scale"} == set()
    form.store.close()
    assert rk.load("survey.sqlite").quality.equals(data.quality)


def test_invitations_tell_who_has_answered(tmp_path):
    form = Form(tmp_path, ["nps", "csat"])
    form.post("c1", {"csat": "5"})
    rows = form.store._connection.execute("SELECT survey, customer_id, responded_at IS NOT NULL FROM invitations")
    assert sorted(rows) == [
        (survey, customer, int((survey, customer) == ("csat", "c1"))) for survey in ("csat", "nps") for customer in form.tokens
    ]  # fmt: skip


def test_where_the_disk_is_full_nothing_is_kept_and_nothing_is_broken(form):
    run = form.store._connection.execute
    used = run("PRAGMA page_count").fetchone()[0]
    run(f"PRAGMA max_page_count = {used}")
    states = []
    for customer in form.tokens:
        states.append(form.post(customer, {"nps": "9", "comment": "x" * COMMENT}).status)
    assert set(states) == {303, 503}
    assert form.rows() == [("nps", 9, customer, "x" * COMMENT) for customer, state in zip(form.tokens, states, strict=True) if state == 303]  # fmt: skip
    run(f"PRAGMA max_page_count = {used + 100}")
    assert {form.post(customer, {"nps": "9", "comment": "x" * COMMENT}).status for customer in form.tokens} == {303}
    assert len(form.rows()) == 3


def test_while_another_keeps_the_file_locked_the_form_is_shown_and_answers_are_asked_for_again(form):
    form.store._connection.execute("PRAGMA busy_timeout = 50")
    with closing(sqlite3.connect(form.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert (form.get("c1").status, form.post("c1", {"nps": "9"}).status) == (200, 503)
        other.execute("ROLLBACK")
    assert form.post("c1", {"nps": "9"}).status == 303


def test_two_lists_at_once_invite_nobody_twice(tmp_path):
    path = tmp_path / "survey.sqlite"

    def ask(_: int) -> int:
        opened = store.Store(path, make=True)
        with opened.invite([f"c{number}" for number in range(200)], ["nps"], 90) as invited:
            tokens = invited.tokens
        opened.close()
        return len(tokens)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(ask, range(4))) == [0, 0, 0, 200]


# Invitations.


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.csv").write_text("Customer ID;country\n0017;FR\n=cmd|x;DE\n17850.0;FR\nguest;FR\n;FR\n0017;FR\n")
    return tmp_path


def written_links(path: Path) -> dict[str, str]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["customer_id"]: row["link"] for row in csv.DictReader(file)}


def test_invite_writes_a_link_for_each_customer_once(folder, capsys):
    command = [
        "survey",
        "invite",
        "--to",
        "list.csv",
        "--survey",
        "ces, nps",
        "--public-url",
        f"{URL}/",
        "--language",
        "ar",
    ]
    assert main(command) == 0
    printed = capsys.readouterr()
    [path] = (folder / "invitations").glob("links-*.csv")
    links = written_links(path)
    assert [*links] == ["0017", "'=cmd|x", "17850"]
    assert all(re.fullmatch(rf"{URL}/s/[a-z2-7]{{32}}\?lang=ar", link) for link in links.values())
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder / "invitations").iterdir()} == {0o600}
    assert "3 invited." in printed.err
    assert "2 left out: rows without a customer." in printed.err
    with (folder / "list.csv").open("a") as file:
        file.write("new;FR\n")
    assert main(command) == 0
    assert "3 left out: invited in the last 90 days already." in capsys.readouterr().err
    [second] = {*(folder / "invitations").glob("links-*.csv")} - {path}
    assert [*written_links(second)] == ["new"]
    assert written_links(path) == links
    assert main([*command, "--days", "0"]) == 0
    assert "4 invited." in capsys.readouterr().err
    opened = store.Store(folder / "survey.sqlite")
    token = urlsplit(links["0017"]).path.rpartition("/")[2]
    assert opened.invitation(token) == (("nps", "ces"), False)


@pytest.mark.parametrize(("days", "invited_now"), [(89, 0), (91, 3)])
def test_old_invitations_do_not_count(form, monkeypatch, days, invited_now):
    monkeypatch.setattr(store, "_now", lambda: datetime.now(UTC) + timedelta(days=days))
    with form.store.invite(form.tokens, ["nps"], 90) as invited:
        assert (len(invited.tokens), invited.recent) == (invited_now, 3 - invited_now)


def test_an_invitation_that_ends_in_an_error_was_none(form):
    def fail() -> None:
        with form.store.invite(["new"], ["nps"], 90) as invited:
            form.tokens |= invited.tokens
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert form.get("new").status == 404


def test_where_links_cannot_be_written_nobody_counts_as_invited(folder, capsys):
    (folder / "invitations").write_text("a file")
    command = ["survey", "invite", "--to", "list.csv", "--public-url", URL]
    assert main(command) == 1
    assert "cannot be written" in capsys.readouterr().err
    (folder / "invitations").unlink()
    assert main(command) == 0
    assert "3 invited." in capsys.readouterr().err


WRONG = {  # options: what the sentence must hold
    "--public-url http://survey.example.com": "has to begin with https://",
    "--public-url survey.example.com": "write it like https://survey.example.com",
    "--public-url https://a@b.example": "write it like",
    "--public-url https://b.example/?x=1": "write it like",
    "--public-url https://b.example:x": "write it like",
    "--public-url https://مثال.example": "write it like",
    f"--public-url https://b.example/{'x' * 120}": "too long",
    f"--public-url {URL} --survey nsp": "There is no survey 'nsp': did you mean 'nps'?",
    f"--public-url {URL} --survey ,": "--survey names none",
    f"--public-url {URL} --language xx": "--language: The form does not speak 'xx' yet",
    f"--public-url {URL} --days -1": "--days '-1' is not",
    f"--public-url {URL} --to absent.csv": "--to: There is no file 'absent.csv'",
    f"--public-url {URL} --to lists.csv": "did you mean 'list.csv'?",
    f"--public-url {URL} --to x.csv": "choose from list.csv, other.csv.",
    f"--public-url {URL} --to other.csv": "has no column 'customer_id'",
}


@pytest.mark.parametrize("options", WRONG)
def test_mistakes_are_told_in_a_sentence_and_nothing_is_written(folder, capsys, options):
    (folder / "other.csv").write_text("name,country\nA,FR\n")
    for name in ("x", "xs.csv", "lists"):  # folders are no choice
        (folder / name).mkdir()
    (folder / "x.json").touch()
    before = {path.name for path in folder.iterdir()}
    assert main(["survey", "invite", "--to", "list.csv", *options.split(" ")]) == 2
    assert WRONG[options] in capsys.readouterr().err
    assert {path.name for path in folder.iterdir()} == before


def test_links_are_short_or_refused():
    received = []
    for length in range(60, 120):
        url = f"{URL}/{'x' * length}"
        urls = [links.make_link(url, store._new_token(), "ar", name, high) for name, (_, high) in SCALES.items()]
        try:
            received.append(links.check_public_url(url) == url)
        except SettingsError:
            received.append(False)
        assert received[-1] == (max(map(len, urls)) <= links.LONGEST)
    assert {*received} == {True, False}


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("survey", ALL)
def test_the_block_for_a_mail_has_a_link_for_each_score(language, survey):
    company = "<Ex & Co>"
    blocks = invitations.mail_block([survey], language, company)
    page = BeautifulSoup(
        blocks[f"mail.{language}.html"].replace(invitations.FIELD, f"{URL}/s/T?lang={language}"), "html.parser"
    )
    low, high = SCALES[survey]
    queries = [parse_qs(urlsplit(link["href"]).query) for link in page.select("table table td[align=center] a")]
    assert queries == [{"lang": [language], survey: [str(score)]} for score in range(low, high + 1)]
    assert page.bdi.text == company
    assert company in blocks[f"mail.{language}.txt"]
    assert invitations.FIELD in blocks[f"mail.{language}.txt"]
    assert page.table["dir"] == words.words(language)["direction"]


def test_export_writes_what_no_spreadsheet_runs(folder, capsys):
    form = Form(folder, customers=["=1+1", "b"])
    form.post("=1+1", {"nps": "9", "comment": '=HYPERLINK("x")\n"quoted", and more'})
    assert main(["survey", "export", "--output", "out/answers.csv"]) == 0
    assert "Answers written: 1." in capsys.readouterr().err
    path = folder / "out" / "answers.csv"
    with path.open(newline="", encoding="utf-8") as file:
        [row] = csv.DictReader(file)
    assert (row["customer_id"], row["comment"]) == ("'=1+1", '\'=HYPERLINK("x")\n"quoted", and more')
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert rk.load(path.rename(folder / "responses.csv")).quality.query("check == 'identical row'").empty


def test_export_takes_the_place_of_an_export_and_of_nothing_else(folder, capsys):
    Form(folder, customers=["a"]).post("a", {"nps": "9"})
    path = folder / "responses.csv"
    path.write_text("score\n9\n")
    assert main(["survey", "export"]) == 2
    assert capsys.readouterr().err.strip().endswith("no export of a survey: name another file with --output.")
    assert path.read_text() == "score\n9\n"
    path.unlink()
    assert main(["survey", "export"]) == 0
    assert main(["survey", "export"]) == 0


def test_the_questions_name_the_company_of_the_settings(folder):
    (folder / "retention.toml").write_text('[report]\ncompany = "Shop of the File"\n[data]\norders = "orders.csv"\n')
    command = ["survey", "invite", "--to", "list.csv", "--public-url", URL]
    assert main(command) == 0
    assert "Shop of the File" in (folder / "invitations" / "mail.en.html").read_text("utf-8")
    assert main([*command, "--days", "0", "--company", "Another"]) == 0
    assert "Another" in (folder / "invitations" / "mail.en.html").read_text("utf-8")


def test_the_docs_lead_proxies_to_where_the_form_is():
    page = (Path(__file__).parents[2] / "docs" / "survey.md").read_text("utf-8")
    options = parser().parse_args(["survey", "serve"])
    targets = re.findall(r"(?:proxy_pass http://|reverse_proxy )([\w.:]+)", page)
    assert targets == [f"{options.host}:{options.port}"] * 2
    assert "access_log off" in page


@pytest.mark.usefixtures("folder")
def test_without_the_extra_it_is_said_how_to_get_it(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["survey", "serve"]) == 2
    assert "pip install 'retention-kit[survey]'" in capsys.readouterr().err
