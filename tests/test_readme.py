"""The README is short, and what README and docs/ list is written from the code (`make readme`)."""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel import Locale

from retention_kit.cli import parser
from retention_kit.metrics.catalogue import METRICS, Metric
from retention_kit.plugins import run_plugins
from retention_kit.word_files import flat, languages, word_file

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
METRICS_PAGE = ROOT / "docs" / "metrics.md"
COMMANDS_PAGE = ROOT / "docs" / "commands.md"
GLOSSARY = ROOT / "docs" / "glossary.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

FAMILIES = {  # by the summary that a metric reads
    "movements": "Customers",
    "purchases": "Purchases",
    "trailing_year": "Lifetime value",
    "lives": "Forecasts",
    "mrr": "Recurring revenue",
    "feedback": "Surveys",
}
TERMS = {  # by their keys in the word files, with what they mean
    "charts.tooltip.when": "the week, month, quarter or year that figures are of",
    "charts.tooltip.name": "a column that splits figures, and one of its values",
    "charts.tooltip.cohort": "the customers who came for the first time in the same period",
    "charts.tooltip.interval": "the values that the data leave open, 19 times in 20",
    "charts.tooltip.forecast": "what a model expects",
    "charts.customers.retained": "customers at the start who are still there at the end",
    "charts.customers.reactivated": "customers at the end who had been away",
    "charts.customers.lost": "customers at the start who are gone at the end",
    "charts.mrr.expansion": "recurring revenue gained from customers who were there",
    "charts.mrr.contraction": "recurring revenue given up by customers who are still there",
    "charts.mrr.fx": "what rates of exchange did to recurring revenue",
    "charts.nps.promoters": "who would recommend: answers 9 and 10",
    "charts.nps.passives": "who is neither: answers 7 and 8",
    "charts.nps.detractors": "who would not recommend: answers 0 to 6",
    "asked.rate": "the share of those asked who answered",
    "card.chance": "of a change that nothing but chance need explain",
    "goals.title": "values that figures are to reach",
    "goals.states.on_track": "where a straight line to the goal would be by now",
    "goals.states.off_track": "far behind that line",
    "alerts.title": "conditions over figures, with whom to tell",
    "sections.at_risk": "customers likelier to leave than others",
    "lists.at_stake": "the money that is lost if they leave",
    "sections.quality": "what reading and cleaning found",
    "sections.provenance": "files, digests and versions that a report was made from",
}
WRITTEN = re.compile(r"(<!-- (\w+): written by `make readme` [^\n]*-->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def written(page: Path) -> str:
    """The text of a page with its list of metrics or commands as the code has them now."""
    lists = {
        README: metric_names,
        METRICS_PAGE: metric_definitions,
        COMMANDS_PAGE: command_options,
        GLOSSARY: terms_by_language,
    }
    return WRITTEN.sub(lambda match: f"{match[1]}\n{lists[page]()}\n\n{match[3]}", page.read_text("utf-8"))


def metric_names() -> str:
    """One row a family, for the README."""
    rows = [f"| {title} | {' · '.join(f'`{metric.name}`' for metric in metrics)} |" for title, metrics in _families()]
    return "\n".join(["| about | metrics |", "|---|---|", *rows])


def metric_definitions() -> str:
    """One section a metric, for docs/metrics.md."""
    return "\n\n".join("\n\n".join([f"## {title}", *map(_definition, metrics)]) for title, metrics in _families())


def terms_by_language() -> str:
    """One row a metric and one a term, in every language, for docs/glossary.md."""
    known = {name: flat(word_file(name)) for name in languages()}
    others = [name for name in known if name != "en"]
    rows = [
        [
            metric.label,
            *(known[name].get(f"metrics.{metric.name}.label", metric.label) for name in others),
            metric.definition,
        ]
        for _, metrics in _families()
        for metric in metrics
    ]
    rows += [
        [known["en"][key], *(known[name][key] for name in others), f"{description}."]
        for key, description in TERMS.items()
    ]
    rows = [[text[:1].upper() + text[1:] for text in row] for row in rows]
    heads = ["English", *(str(Locale.parse(name).english_name) for name in others), "means"]
    lines = [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows)]
    return "\n".join(lines).replace("| --- ", "|---").replace("--- |", "---|")


def command_options() -> str:
    """One section a command with a table of what it takes, for docs/commands.md."""
    return "\n\n".join(_command(name, description, parser) for name, description, parser in commands())


def commands(
    of: argparse.ArgumentParser | None = None, before: str = ""
) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Each command with its help and its parser; of one that has commands of its own those, such as `survey serve`."""
    groups = [action for action in (of or parser())._actions if isinstance(action, argparse._SubParsersAction)]
    for group in groups:
        descriptions = {choice.dest: choice.help for choice in group._choices_actions}
        for name, command in group.choices.items():
            inner = [*commands(command, f"{before}{name} ")]
            yield from inner or [(f"{before}{name}", descriptions[name], command)]


def _families() -> Iterator[tuple[str, list[Metric]]]:
    for summary, title in FAMILIES.items():
        yield title, [metric for metric in METRICS.values() if metric.summary == summary]


def _definition(metric: Metric) -> str:
    better = f", {metric.better} is better" if metric.better else ""
    settings = ", ".join(f"[`{name}`](settings.md#definitions)" for name in metric.options)
    parts = {"Formula": metric.formula, "Other rules": metric.competing, "Source": metric.source, "Settings": settings}
    listed = "\n".join(f"- {name}: {text}" for name, text in parts.items() if text)
    return f"### {metric.label}\n\n`{metric.name}` ({metric.unit}{better}). {metric.definition}\n\n{listed}"


def _command(name: str, description: str, parser: argparse.ArgumentParser) -> str:
    rows = []
    for action in parser._actions:
        if not isinstance(action, argparse._HelpAction):
            value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
            usage = " ".join([", ".join(action.option_strings), "" if value == "..." else value]).strip() or "…"
            rows.append(f"| `{usage}` | {action.help} |")
    table = "\n".join(["| argument | meaning |", "|---|---|", *rows])
    return (
        f"## {name}\n\n{description[0].upper()}{description[1:]}.\n\n{table}"
        if rows
        else f"## {name}\n\n{description}."
    )


def test_the_lists_are_those_of_the_code():
    pages = [README, METRICS_PAGE, COMMANDS_PAGE, GLOSSARY]
    assert [page.name for page in pages if written(page) != page.read_text("utf-8")] == [], "run `make readme`"


def test_every_metric_is_in_a_family():
    assert {metric.summary for metric in METRICS.values()} <= set(FAMILIES)


def test_the_readme_is_short_and_shows_the_thing_within_a_screen():
    lines = README.read_text("utf-8").splitlines()
    assert len(lines) < 150
    screen = "\n".join(lines[:40])
    assert [
        part for part in ("<img", "make report", "make test", "import retention_kit as rk") if part not in screen
    ] == []


if __name__ == "__main__":
    run_plugins(sys.argv[1:])  # metrics of one's own join the lists
    for path in (README, METRICS_PAGE, COMMANDS_PAGE, GLOSSARY):
        path.write_text(written(path), "utf-8")
