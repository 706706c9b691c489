"""Lists of follow-ups in a folder: each customer once for an occasion, whatever happens in between."""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import retention_kit as rk
from due import with_rules
from pencil import table
from retention_kit.cli import mail as commands
from retention_kit.cli import main
from retention_kit.delivery.follow_ups import ledger as ledgers
from retention_kit.delivery.follow_ups.calendar import calendar_text
from retention_kit.delivery.follow_ups.done import apply_done, read_done
from retention_kit.delivery.follow_ups.ledger import reading, writing
from retention_kit.delivery.follow_ups.lists import choose, count_done, write_calendars, write_lists
from retention_kit.delivery.follow_ups.make import make_follow_ups
from retention_kit.errors import DataError, ReportError, SettingsError
from retention_kit.metrics.follow_ups import Due, DueList
from retention_kit.settings.follow_ups import FollowUp
from retention_kit.wording import Words

DAY = date(2024, 3, 11)
THANK = FollowUp("Thank and ask", "7 days after first purchase", then=["list", "ics"], owner="Ann", quiet_days=0)


def due_list(customers, rule=THANK, day=DAY, occasion="first purchase") -> DueList:
    rows = tuple(Due(customer, occasion, day + timedelta(days=3), f"Because of {customer}.") for customer in customers)
    return DueList(rule, day, rows)


def write(folder: Path, *lists: DueList):
    """What `make_follow_ups` does with lists that are known."""
    with writing(folder) as ledger:
        results = write_lists(ledger, choose(ledger, lists))
        write_calendars(ledger, lambda *args: calendar_text(*args, Words("en")))
        return count_done(ledger, results)


def listed_customers(folder: Path) -> list[tuple[str, str]]:
    """Everybody in the files of a folder, as often as they stand there, with the file."""
    return [
        (row["customer_id"], path.name)
        for path in sorted(folder.glob("*/*.csv"))
        for row in csv.DictReader(path.open(encoding="utf-8"))
    ]


def known_customers(folder: Path) -> list[str]:
    with reading(folder) as ledger:
        return [entry.customer for entry in ledger.entries()]


# Once


def test_a_second_run_lists_nobody_again_and_leaves_the_first_list_as_it_is(tmp_path):
    (first,) = write(tmp_path, due_list("ab"))
    content = (tmp_path / first.file).read_bytes()
    assert first.file == "2024-03-10/thank-and-ask.csv"
    (second,) = write(tmp_path, due_list("ab"))
    assert (second.file, second.before, second.open) == ("", 2, 2)
    assert (tmp_path / first.file).read_bytes() == content


def test_who_is_due_later_on_a_day_gets_a_list_of_their_own(tmp_path):
    write(tmp_path, due_list("ab"))
    (second,) = write(tmp_path, due_list("abc"))
    assert second.file == "2024-03-10/thank-and-ask.2.csv"
    assert listed_customers(tmp_path) == [
        ("c", "thank-and-ask.2.csv"),
        ("a", "thank-and-ask.csv"),
        ("b", "thank-and-ask.csv"),
    ]


def test_a_file_of_somebody_else_is_never_written_over(tmp_path):
    write(tmp_path)
    (tmp_path / "2024-03-10").mkdir()
    (tmp_path / "2024-03-10" / "thank-and-ask.csv").write_text("mine")
    (tmp_path / ledgers.NAME).unlink()
    with pytest.raises(ReportError, match="is empty although there are lists"):  # of a ledger that was lost
        write(tmp_path, due_list("a"))
    (tmp_path / "2024-03-10" / "thank-and-ask.csv").rename(tmp_path / "mine.csv")
    write(tmp_path)
    (tmp_path / "mine.csv").rename(tmp_path / "2024-03-10" / "thank-and-ask.csv")
    (result,) = write(tmp_path, due_list("a"))
    assert result.file == "2024-03-10/thank-and-ask.2.csv"
    assert (tmp_path / "2024-03-10" / "thank-and-ask.csv").read_text() == "mine"


def test_a_cap_is_for_the_lists_of_a_day_and_the_others_come_on_the_next(tmp_path):
    rule = FollowUp("Few", "7 days after first purchase", cap=2)
    (first,) = write(tmp_path, due_list("abcd", rule))
    (again,) = write(tmp_path, due_list("abcd", rule))
    (next_day,) = write(tmp_path, due_list("abcd", rule, DAY + timedelta(days=1)))
    assert ([len(result.rows) for result in (first, again, next_day)], first.beyond, again.beyond) == ([2, 0, 2], 2, 2)
    assert sorted(known_customers(tmp_path)) == [*"abcd"]


def test_after_a_list_customers_have_their_quiet(tmp_path):
    """Ninety days by default, of any list; a customer who spoke first is answered all the same."""
    thank = FollowUp("Thank", "7 days after first purchase")
    back = FollowUp("Back", "no purchase for 60 days")
    sorry = FollowUp("Sorry", "detractor within 2 days")
    written = write(
        tmp_path, due_list("a", thank), due_list("ab", back), due_list("ab", sorry, occasion="nps 2024-03-10")
    )
    assert [[row.customer_id for row in result.rows] for result in written] == [["a"], ["b"], ["a", "b"]]
    assert written[1].quiet == 1
    for days, expected in ((1, 0), (89, 0), (90, 1)):
        due = due_list("a", back, DAY + timedelta(days=days), "purchase 2024-03-04")
        with reading(tmp_path) as ledger:
            assert len(choose(ledger, [due])[0].rows) == expected


def test_two_tickets_of_one_customer_are_two_rows_unless_quiet_is_asked_for(tmp_path):
    rows = tuple(Due("a", f"ticket {number}", DAY, "Why.") for number in range(2))
    for days, expected in ((None, 2), (7, 1)):
        rule = FollowUp(f"Tickets {days}", "ticket open 2 days", quiet_days=days)
        (result,) = write(tmp_path / str(days), DueList(rule, DAY, rows))
        assert (len(result.rows), result.quiet) == (expected, 2 - expected)


def test_lists_may_lie_among_packs(tmp_path):
    (tmp_path / "2024-02").mkdir()
    (tmp_path / "2024-02" / "scorecard.csv").write_text("metric\n")
    (result,) = write(tmp_path, due_list("a"))
    assert result.file == "2024-03-10/thank-and-ask.csv"


customers = st.lists(st.sampled_from("abcdef"), max_size=6, unique=True)


@settings(max_examples=12)
@given(st.lists(st.tuples(st.integers(0, 3), customers, customers), min_size=1, max_size=6))
def test_whatever_runs_and_restatements_follow_each_customer_stands_once(tmp_path_factory, runs):
    """Days go forth and back, and who is due changes each time; two rules know nothing of one another."""
    folder = tmp_path_factory.mktemp("lists")
    other = FollowUp("Other", "7 days after second purchase", quiet_days=0, cap=3)
    seen: dict[str, set[str]] = {THANK.name: set(), other.name: set()}
    for days, first, second in runs:
        day = DAY + timedelta(days=days)
        for result in write(folder, due_list(first, day=day), due_list(second, other, day)):
            new = {row.customer_id for row in result.rows}
            assert not new & seen[result.name]
            seen[result.name] |= new
    listed = [(customer, "other" in file) for customer, file in listed_customers(folder)]
    assert len(listed) == len(set(listed))
    assert {customer for customer, is_other in listed if not is_other} == seen[THANK.name]
    assert seen[THANK.name] == {customer for _, first, _ in runs for customer in first}


# Killed


def killed_at(step: int, work) -> bool:
    """Whether a process of its own was killed before that line of ours, rather than done with its work."""
    child = os.fork()
    if child == 0:
        left = step

        def trace(frame, event, _):
            nonlocal left
            if "follow_ups" not in frame.f_code.co_filename or "tests" in frame.f_code.co_filename:
                return None
            if event == "line":
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


STRIDE = int(os.environ.get("RETENTION_KIT_STRIDE", "7"))  # 1: every line that a run of ours goes through


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_killed_before_any_line_of_ours_each_customer_is_listed_once(tmp_path):
    """Killed, restated (b is not due any more, c is), killed again, and then left alone; every few lines a trial."""
    step = 0
    Words("en")
    while True:
        folder = tmp_path / str(step)
        before, restated = due_list("ab"), due_list("ac")
        is_killed = killed_at(step, lambda folder=folder, before=before: write(folder, before))
        known_then = {*known_customers(folder)} if (folder / ledgers.NAME).is_file() else set()
        killed_at(step // 2, lambda folder=folder, restated=restated: write(folder, restated))
        write(folder, restated)
        listed = [customer for customer, _ in listed_customers(folder)]
        assert sorted(listed) == sorted(known_customers(folder)), step
        assert len(listed) == len(set(listed)), step
        assert {"a", "c"} | known_then == set(listed), step
        assert not [*folder.glob("*/.*")], step
        event_counts = "".join(path.read_text() for path in folder.glob("*/*.ics"))
        assert event_counts.count("BEGIN:VEVENT") == len([*folder.glob("*/*.csv")]), step
        if not is_killed:
            break
        step += STRIDE
    assert step > 60


def test_two_runs_at_once_are_told_so(tmp_path):
    with writing(tmp_path), ThreadPoolExecutor() as others, pytest.raises(SettingsError, match="Another run"):
        others.submit(write, tmp_path, due_list("a")).result()
    write(tmp_path, due_list("a"))
    assert known_customers(tmp_path) == ["a"]


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be taken for one" * 20])
def test_a_ledger_that_was_lost_or_broken_lists_nobody_again(tmp_path, content):
    write(tmp_path, due_list("a"))
    (tmp_path / ledgers.NAME).write_bytes(content)
    with pytest.raises(ReportError, match=r"The ledger in .* (is empty although there are lists|cannot be used)"):
        write(tmp_path, due_list("a"))


# What stands in the files


def test_no_cell_begins_a_formula_and_the_folder_is_for_its_owner_alone(tmp_path):
    rule = FollowUp("Write", "7 days after first purchase", contact="email", text="{name}", quiet_days=0)
    row = Due("=1+1", "first purchase", DAY, "Why.", "@SUM(A1)", "-2+3\r\n=cmd", {"name": "+49 30\t=x"})
    folder = tmp_path / "lists"
    write(folder, DueList(rule, DAY, (row,)))
    (path,) = folder.glob("*/*.csv")
    (cells,) = csv.DictReader(path.open(encoding="utf-8", newline=""))
    assert cells["customer_id"] == "'=1+1"
    assert (cells["contact"], cells["name"]) == ("'@SUM(A1)", "'+49 30\t'=x")
    assert cells["text"].startswith("'-2+3")
    if os.name != "nt":
        assert {oct(folder_path.stat().st_mode)[-3:] for folder_path in (folder, path.parent)} == {"700"}
        assert {oct(file_path.stat().st_mode)[-3:] for file_path in (path, folder / ledgers.NAME)} == {"600"}
        tmp_path.chmod(0o755)
        write(tmp_path, due_list("a"))
        assert oct(tmp_path.stat().st_mode)[-3:] == "755", "a folder of the user's stays as it is"


def test_the_calendar_has_an_event_for_each_list_and_due_day_and_names_nobody(tmp_path):
    from icalendar import Calendar

    rows = [Due(f"customer-{number}", "x", DAY + timedelta(days=number % 2), "Why.") for number in range(5)]
    write(tmp_path, DueList(THANK, DAY, tuple(rows)))
    path = tmp_path / "2024-03-10" / "follow-ups.ics"
    text = path.read_text("utf-8")
    events = Calendar.from_ical(text).walk("VEVENT")
    assert [(str(event["summary"]), event.decoded("dtstart")) for event in events] == [
        ("Thank and ask: 3 to follow up", DAY),
        ("Thank and ask: 2 to follow up", DAY + timedelta(days=1)),
    ]
    assert "for Ann" in str(events[0]["description"])
    assert "customer-" not in text
    assert len({str(event["uid"]) for event in events}) == 2
    write(tmp_path, DueList(THANK, DAY, tuple(rows)))
    assert path.read_text("utf-8") == text


# Done


def test_what_was_done_is_counted_and_odd_rows_are_told(tmp_path):
    write(tmp_path, due_list(["a", "b", "c", "=d"]))
    path = tmp_path / "done.csv"
    path.write_text(
        "\ufeffCustomer_ID;rule;done_at\na;Thank and ask;2024-03-12\n'=d;thank-and-ask;2024-03-12 10:00\n"
        "b;THANK AND ASK;yesterday\nz;Thank and ask;\na;Tank;\n\n"
    )
    for _ in range(2):
        with writing(tmp_path) as ledger:
            notes = apply_done(ledger, read_done(path), [THANK], path)
            (counted,) = count_done(ledger, choose(ledger, [due_list("", day=DAY + timedelta(days=9))]))
        assert (counted.done, counted.open, counted.overdue) == (2, 2, 2)
        assert notes == [
            "done.csv: 1 row has no date like 2026-01-31, the first in row 4 ('THANK AND ASK').",
            "done.csv: 1 row names nobody on the list, the first in row 5 ('Thank and ask').",
            "done.csv: 1 row names no follow-up, the first in row 6 ('Tank').",
        ]


def test_a_row_speaks_of_lists_of_before_it_was_written(tmp_path):
    """An occasion that is listed later is to be done, although the file still says that the customer was written to."""
    path = tmp_path / "done.csv"
    path.write_text("customer_id,rule,done_at\na,Thank and ask,2024-03-12\nb,Thank and ask,\n")
    for day, occasion in ((DAY, "purchase 1"), (DAY + timedelta(days=30), "purchase 2")):
        write(tmp_path, due_list("ab", day=day, occasion=occasion))
        with writing(tmp_path) as ledger:
            apply_done(ledger, read_done(path), [THANK], path)
    with reading(tmp_path) as ledger:
        assert [(entry.occasion, entry.done_at) for entry in ledger.entries()] == [
            ("purchase 1", "2024-03-12"),
            ("purchase 1", "yes"),
            ("purchase 2", ""),
            ("purchase 2", ""),
        ]


@pytest.mark.parametrize("text", ["", "who,rule\na,b\n", "customer_id\na\n"])
def test_a_file_of_other_columns_is_refused(tmp_path, text):
    (tmp_path / "done.csv").write_text(text)
    with pytest.raises(DataError, match="has no column"):
        read_done(tmp_path / "done.csv")


# The command


ORDERS = table("""
customer_id  ordered_at        amount  email
a            2024-03-04 10:00  10      a@example.com
b            2024-03-03 10:00  10      b@example.com
c            2024-02-04 10:00  10      c@example.com
""")
TOML = """
[data]
orders = "orders.csv"
[report]
as_of = 2024-03-11
[[follow_ups]]
name = "Thank and ask"
when = "7 days after first purchase"
contact = "email"
control = 0
then = [{then}]
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    ORDERS.to_csv(tmp_path / "orders.csv", index=False)
    (tmp_path / "retention.toml").write_text(TOML.format(then='"list", "ics"'))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_writes_once_and_says_what_it_did(shop, capsys):
    assert main(["follow-ups", "--dry-run"]) == 0
    assert not (shop / "follow_ups").exists()
    assert "Thank and ask     2" in capsys.readouterr().out
    assert main(["follow-ups", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert [customer["customer_id"] for customer in result["customers"]] == ["b", "a"]
    assert (shop / "follow_ups" / "2024-03-10" / "thank-and-ask.csv").is_file()
    assert main(["follow-ups"]) == 0
    assert "Thank and ask      2               2" in capsys.readouterr().out, "open, and listed before"
    assert len(known_customers(shop / "follow_ups")) == 2


def test_without_follow_ups_the_command_says_how_to_ask(shop, capsys):
    (shop / "retention.toml").write_text('[data]\norders = "orders.csv"\n')
    assert main(["follow-ups"]) == 0
    assert "hold no [[follow_ups]]" in capsys.readouterr().err


def test_a_webhook_gets_the_customers_once(shop, monkeypatch, capsys):
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    (shop / "retention.toml").write_text(TOML.format(then='"webhook:crm", "slack:team"'))
    assert main(["follow-ups"]) == 2
    assert "RETENTION_KIT_WEBHOOK_" in capsys.readouterr().err
    assert not (shop / "follow_ups").exists()
    bodies: list[dict] = []
    statuses = iter([500, *[200] * 9])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            code = next(statuses) if "facts" in body else 200
            if code == 200:
                bodies.append(body)
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("retention_kit.delivery.dispatch.PAUSES", ())
    for name in ("CRM", "TEAM"):
        monkeypatch.setenv(f"RETENTION_KIT_WEBHOOK_{name}", f"http://127.0.0.1:{server.server_port}/{name}")
    codes = [main(["follow-ups"]) for _ in range(3)]
    server.shutdown()
    assert codes[1:] == [0, 0]
    (sent,) = [body["facts"] for body in bodies if "facts" in body]
    assert [customer["contact"] for customer in sent["customers"]] == ["b@example.com", "a@example.com"]
    (text,) = [json.dumps(body) for body in bodies if "facts" not in body]
    assert "2 to follow up" in text
    assert "example.com" not in text
    with reading(shop / "follow_ups") as ledger:
        assert [(file.targets, file.content) for file in ledger.files()] == [("", "")]


def test_from_data_to_list_in_one_call(tmp_path):
    data = with_rules(
        rk.load(orders=ORDERS, timezone="UTC", as_of="2024-03-11"),
        {"name": "Thank", "when": "7 days after first purchase", "text": "{email}"},
    )
    result = make_follow_ups(data, tmp_path / "lists")
    assert [result_list.file for result_list in result.listed] == ["2024-03-10/thank.csv"]
    assert result.is_done


def test_run_writes_the_lists_after_its_report(shop, monkeypatch, capsys):
    """Also where there is nobody to mail to; a webhook without an address is told before anything is built."""
    monkeypatch.setattr(commands, "_build", lambda *_: SimpleNamespace(path=shop / "reports", failures=()))
    for _ in range(2):
        assert main(["run"]) == 0
        assert listed_customers(shop / "follow_ups") == [("b", "thank-and-ask.csv"), ("a", "thank-and-ask.csv")]
    (shop / "retention.toml").write_text(TOML.format(then='"webhook:crm"'))
    capsys.readouterr()
    assert main(["run", "--output", "elsewhere"]) == 2
    assert "RETENTION_KIT_WEBHOOK_CRM" in capsys.readouterr().err
    assert not (shop / "elsewhere").exists()


def test_who_was_due_between_two_runs_and_is_on_no_list_is_counted(tmp_path):
    """Lists of the 1st and the 20th: a of 3 March was due from the 10th to the 17th, b of 10 March is due, c is listed."""
    orders = table("""
    customer_id  ordered_at  amount  gone
    a            2024-03-03  10      -
    b            2024-03-10  10      -
    c            2024-02-20  10      -
    d            2024-03-03  10      yes
    """)

    def missed(day: str) -> tuple[list[str], int]:
        rule = {"name": "Thank", "when": "7 days after first purchase", "suppress": "gone"}
        data = with_rules(rk.load(orders=orders, timezone="UTC", as_of=day), rule)
        (result,) = make_follow_ups(data, tmp_path / "lists").listed
        return [row.customer_id for row in result.rows], result.missed

    assert missed("2024-03-01") == (["c"], 0)
    assert missed("2024-03-20") == (["b"], 1)
    assert missed("2024-03-20") == ([], 0)
