"""`retention-kit alerts`: where each alert stands, when it would have fired, and tests of the rules."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.cli.language import told, told_each, words
from retention_kit.cli.options import SETTINGS, add_data, load_data
from retention_kit.cli.output import DONE, FAILED, FIRING, print_table, say
from retention_kit.errors import Listed, Phrase, SettingsError

if TYPE_CHECKING:
    from retention_kit.cli.options import Commands
    from retention_kit.data.dataset import Dataset
    from retention_kit.metrics.alerts.back_test import BackTest
    from retention_kit.metrics.alerts.rule_tests import Result
    from retention_kit.metrics.alerts.states import AlertState
    from retention_kit.wording import Words

NONE = "The settings hold no [[alerts]]: docs/alerts.md shows how one is written."


def add(commands: Commands) -> None:
    """Add the command to the parser's."""
    alerts = commands.add_parser("alerts", help="say where each alert stands; sends nothing")
    add_data(alerts)
    alerts.add_argument("--period", help="2011-11, 2011-Q4, 2011-W45 or 2011 (default: the last complete one)")
    what = alerts.add_mutually_exclusive_group()
    what.add_argument(
        "--backtest", action="store_true", help="when each would have fired so far, and how often by chance"
    )
    what.add_argument("--test", metavar="FILE", type=Path, help="run the tests of rules in a file, without any data")
    alerts.add_argument("--json", action="store_true", help="a list of objects")
    alerts.set_defaults(run=_alerts)


def _alerts(arguments: argparse.Namespace) -> int:
    if arguments.test:
        return _run_tests(arguments)
    from retention_kit.metrics.alerts.back_test import back_test
    from retention_kit.metrics.alerts.judge import alert_states
    from retention_kit.metrics.alerts.told import facts
    from retention_kit.metrics.queries.summaries import pick_period

    data = load_data(arguments)
    period = pick_period(data, arguments.period) if arguments.period else None
    if not data.settings.alerts:
        say(NONE)
    if arguments.backtest:
        found = back_test(data, period)
        if arguments.json:
            print(json.dumps([_back_test_facts(one) for one in found], indent=1, ensure_ascii=False))
        else:
            _print_back_tests(found, data)
        return DONE
    states = alert_states(data, period)
    if arguments.json:
        print(json.dumps([facts(one) for one in states], indent=1, ensure_ascii=False))
    elif states:
        _print_states(states, words(data.settings.report))
    return FIRING if any(one.state == "firing" and "exit" in one.alert.then for one in states) else DONE


def _print_states(states: list[AlertState], words: Words) -> None:
    from retention_kit.display import printable
    from retention_kit.metrics.alerts.told import customers, worth_a_row

    shown, others = worth_a_row(states)
    rows: list[tuple[str, ...]] = [
        (
            printable(one.alert.name),
            printable(customers(one)),
            one.period,
            Phrase(one.state),
            one.since,
            printable(one.alert.owner or ""),
            _seen(one, words),
        )
        for one in shown
    ]
    rows += [
        (
            printable(name),
            told("other values"),
            "",
            Listed(Phrase("{count} {state}", count=count, state=Phrase(state)) for state, count in counts.items()),
            "",
            "",
            "",
        )
        for name, counts in others.items()
    ]
    print_table(told_each("alert", "customers", "period", "state", "since", "owner", "figures"), rows)


def _seen(state: AlertState, words: Words) -> str:
    from retention_kit.display import printable
    from retention_kit.metrics.alerts.told import sentences

    return printable(words.listed(map(words.say, sentences(state, words)), "semicolon"), words.direction)


def _back_test_facts(one: BackTest) -> dict[str, object]:
    return {
        "alert": one.alert.name,
        "periods": len(one.periods),
        "first": one.periods[0] if one.periods else None,
        "last": one.periods[-1] if one.periods else None,
        "no_data": one.no_data,
        "firings": [
            {
                "segment_value": firing.segment_value,
                "first": firing.first.since,
                "last": firing.last.period,
                "resolved": firing.resolved or None,
            }
            for firing in one.firings
        ],
        "by_chance": one.by_chance,
    }


def _print_back_tests(found: list[BackTest], data: Dataset) -> None:
    from retention_kit.display import printable
    from retention_kit.metrics.alerts.told import customers

    rows = [
        (
            printable(one.alert.name),
            printable(customers(firing.first)),
            firing.first.since,
            firing.resolved or told("still fires"),
            _seen(firing.first, words(data.settings.report)),
        )
        for one in found
        for firing in one.firings
    ]
    if rows:
        print_table(told_each("alert", "customers", "fires", "resolves", "figures"), rows)
    for one in found:
        count, periods = len(one.firings), len(one.periods)
        fired = Phrase("{count} firing" if count == 1 else "{count} firings", count=count)
        known = Phrase("{count} period" if periods == 1 else "{count} periods", count=periods)
        chance = Phrase("sums and counts have no sampling error, so chance is not told")
        if one.by_chance is not None:
            chance = Phrase(
                "had its figures kept their mean, chance alone would give {number:.1f}", number=one.by_chance
            )
        name = printable(one.alert.name)
        print(told("{name}: {fired} in {periods}; {chance}.", name=name, fired=fired, periods=known, chance=chance))
    if found:
        print(told("With the data as they stand now, known up to {as_of} (exclusive).", as_of=data.as_of))


def _run_tests(arguments: argparse.Namespace) -> int:
    from retention_kit.metrics.alerts.rule_tests import run_tests
    from retention_kit.plugins import run_plugins
    from retention_kit.settings import parse_toml, read_settings

    path: Path = arguments.test
    if not path.is_file():
        raise SettingsError("There is no file {path!r}.", path=str(path))
    given = Path(arguments.data or SETTINGS)
    given = given / SETTINGS.name if given.is_dir() else given
    settings = None
    if given.suffix == ".toml" and given.is_file():
        settings = read_settings(given)
        run_plugins(given.parent / name for name in settings.report.plugins)
    raw = parse_toml(path.read_bytes(), path.name)
    try:
        results = run_tests(raw, settings)
    except SettingsError as error:
        raise SettingsError("{file}: {error}", file=path.name, error=error) from None
    if arguments.json:
        print(json.dumps([_result_facts(one) for one in results], indent=1, ensure_ascii=False))
    else:
        for one in results:
            _print_result(one)
    return DONE if all(one.is_as_expected for one in results) else FAILED


def _result_facts(one: Result) -> dict[str, object]:
    rows = [
        {"period": row.period, "expected": row.expected, "state": row.state.state, "since": row.state.since}
        for row in one.rows
    ]
    return {"test": one.name, "passed": one.is_as_expected, "periods": rows}


def _print_result(one: Result) -> None:
    from retention_kit.display import printable

    print(told("passed  {name}" if one.is_as_expected else "FAILED  {name}", name=printable(one.name)))
    if one.is_as_expected:
        return
    rows = [
        (
            "" if row.is_as_expected else ">",
            row.period,
            Phrase(row.expected),
            Phrase("{state}, since {since}", state=Phrase(row.state.state), since=row.state.since),
            _seen(row.state, words()),
        )
        for row in one.rows
    ]
    print_table(("", *told_each("period", "expected", "state", "figures")), rows)
