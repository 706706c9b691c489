"""`retention-kit alerts`: the state of each alert, a back-test, and tests of the rules."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.cli.language import translated, translated_each, words
from retention_kit.cli.options import SETTINGS, add_data, add_period, load_data, picked_period
from retention_kit.cli.output import DONE, FAILED, FIRING, print_json, print_table, say, show
from retention_kit.errors import Listed, Phrase, SettingsError, which_file

if TYPE_CHECKING:
    from retention_kit.cli.options import Commands
    from retention_kit.data.dataset import Dataset
    from retention_kit.metrics.alerts.back_test import BackTest
    from retention_kit.metrics.alerts.rule_tests import Result
    from retention_kit.metrics.alerts.states import AlertState
    from retention_kit.wording import Words

_NO_ALERTS = "The settings hold no [[alerts]]: docs/alerts.md shows how one is written."


def add(commands: Commands) -> None:
    """Add the command to the parser's."""
    alerts = commands.add_parser("alerts", help="say where each alert stands; sends nothing")
    add_data(alerts)
    add_period(alerts)
    group = alerts.add_mutually_exclusive_group()
    group.add_argument(
        "--backtest", action="store_true", help="when each would have fired so far, and how often by chance"
    )
    group.add_argument("--test", metavar="FILE", type=Path, help="run the tests of rules in a file, without any data")
    alerts.add_argument("--json", action="store_true", help="a list of objects")
    alerts.set_defaults(run=_alerts)


def _alerts(arguments: argparse.Namespace) -> int:
    if arguments.test:
        return _run_tests(arguments)
    from retention_kit.metrics.alerts.back_test import back_test
    from retention_kit.metrics.alerts.judge import alert_states
    from retention_kit.metrics.alerts.texts import facts

    data = load_data(arguments)
    period = picked_period(data, "--period", arguments.period) if arguments.period else None
    if not data.settings.alerts:
        say(_NO_ALERTS)
    if arguments.backtest:
        tests = back_test(data, period)
        if arguments.json:
            print_json([_back_test_facts(test) for test in tests])
        else:
            _print_back_tests(tests, data)
        return DONE
    states = alert_states(data, period)
    if arguments.json:
        print_json([facts(state) for state in states])
    elif states:
        _print_states(states, words(data.settings.report))
    return FIRING if any(state.state == "firing" and "exit" in state.alert.then for state in states) else DONE


def _print_states(states: list[AlertState], words: Words) -> None:
    from retention_kit.display import printable
    from retention_kit.metrics.alerts.texts import customers, split_rows

    listed, others = split_rows(states)
    rows: list[tuple[str, ...]] = [
        (
            printable(state.alert.name),
            printable(customers(state)),
            state.period,
            Phrase(state.state),
            state.since,
            printable(state.alert.owner or ""),
            _figures_text(state, words),
        )
        for state in listed
    ]
    rows += [
        (
            printable(name),
            translated("other values"),
            "",
            Listed(Phrase("{count} {state}", count=count, state=Phrase(state)) for state, count in counts.items()),
            "",
            "",
            "",
        )
        for name, counts in others.items()
    ]
    print_table(translated_each("alert", "customers", "period", "state", "since", "owner", "figures"), rows)


def _figures_text(state: AlertState, words: Words) -> str:
    from retention_kit.display import printable
    from retention_kit.metrics.alerts.texts import sentences

    return printable(words.listed(map(words.say, sentences(state, words)), "semicolon"), words.direction)


def _back_test_facts(test: BackTest) -> dict[str, object]:
    return {
        "alert": test.alert.name,
        "periods": len(test.periods),
        "first": test.periods[0] if test.periods else None,
        "last": test.periods[-1] if test.periods else None,
        "no_data": test.no_data,
        "firings": [
            {
                "segment_value": firing.segment_value,
                "first": firing.first.since,
                "last": firing.last.period,
                "resolved": firing.resolved or None,
            }
            for firing in test.firings
        ],
        "by_chance": test.by_chance,
    }


def _print_back_tests(tests: list[BackTest], data: Dataset) -> None:
    from retention_kit.display import printable
    from retention_kit.metrics.alerts.texts import customers

    rows = [
        (
            printable(test.alert.name),
            printable(customers(firing.first)),
            firing.first.since,
            firing.resolved or translated("still fires"),
            _figures_text(firing.first, words(data.settings.report)),
        )
        for test in tests
        for firing in test.firings
    ]
    if rows:
        print_table(translated_each("alert", "customers", "fires", "resolves", "figures"), rows)
    for test in tests:
        count, periods = len(test.firings), len(test.periods)
        fired = Phrase("{count} firing" if count == 1 else "{count} firings", count=count)
        evaluated = Phrase("{count} period" if periods == 1 else "{count} periods", count=periods)
        chance = Phrase("sums and counts have no sampling error, so chance is not told")
        if test.by_chance is not None:
            template = "had its figures kept their mean, chance alone would give {number:.1f}"
            chance = Phrase(template, number=test.by_chance)
        name = printable(test.alert.name)
        show("{name}: {fired} in {periods}; {chance}.", name=name, fired=fired, periods=evaluated, chance=chance)
    if tests:
        show("With the data as they stand now, known up to {as_of} (exclusive).", as_of=data.as_of)


def _run_tests(arguments: argparse.Namespace) -> int:
    from retention_kit.metrics.alerts.rule_tests import run_tests
    from retention_kit.plugins import run_plugins
    from retention_kit.settings import parse_toml, read_settings

    path: Path = arguments.test
    if not path.is_file():
        raise SettingsError("There is no file {path!r}: {hint}", path=str(path), hint=which_file(path, (".toml",)))
    data_path = Path(arguments.data or SETTINGS)
    data_path = data_path / SETTINGS.name if data_path.is_dir() else data_path
    settings = None
    if data_path.suffix == ".toml" and data_path.is_file():
        settings = read_settings(data_path)
        run_plugins(data_path.parent / name for name in settings.report.plugins)
    raw = parse_toml(path.read_bytes(), path.name)
    try:
        results = run_tests(raw, settings)
    except SettingsError as error:
        raise SettingsError("{file}: {error}", file=path.name, error=error) from None
    if arguments.json:
        print_json([_result_facts(result) for result in results])
    else:
        for result in results:
            _print_result(result)
    return DONE if all(result.is_as_expected for result in results) else FAILED


def _result_facts(result: Result) -> dict[str, object]:
    rows = [
        {"period": row.period, "expected": row.expected, "state": row.state.state, "since": row.state.since}
        for row in result.rows
    ]
    return {"test": result.name, "passed": result.is_as_expected, "periods": rows}


def _print_result(result: Result) -> None:
    from retention_kit.display import printable

    show("passed  {name}" if result.is_as_expected else "FAILED  {name}", name=printable(result.name))
    if result.is_as_expected:
        return
    rows = [
        (
            "" if row.is_as_expected else ">",
            row.period,
            Phrase(row.expected),
            Phrase("{state}, since {since}", state=Phrase(row.state.state), since=row.state.since),
            _figures_text(row.state, words()),
        )
        for row in result.rows
    ]
    print_table(("", *translated_each("period", "expected", "state", "figures")), rows)
