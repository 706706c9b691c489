"""What stands in code in English, errors and what commands print, can be said in every language that has phrases."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from retention_kit import bidi, errors
from retention_kit.data.checks import CHECKS
from retention_kit.data.layouts.layout import layouts
from retention_kit.errors import DataError, Listed, SettingsError, did_you_mean
from retention_kit.word_files import FOLDER, phrases
from retention_kit.wording import Words

PACKAGE = Path(errors.__file__).parent
LANGUAGES = sorted(path.name.removesuffix(".toml") for path in FOLDER.joinpath("phrases").iterdir())
ERRORS = {name for name, member in vars(errors).items() if isinstance(member, type) and issubclass(member, Exception)}
# Where a template is an argument: the place of it; in the command line also what help says.
ANYWHERE = {**dict.fromkeys([*ERRORS, "Phrase", "blocked", "degraded"], 0), "wrong": 1, "check_choice": 1}
IN_COMMANDS = {"translated": 0, "say": 0, "show": 0, "end": 1}


def texts(node: ast.AST, scope: ast.AST) -> Iterator[str]:
    """The strings that an expression may be, a name by what is assigned to it in the same function."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=one, orelse=other):
            yield from texts(one, scope)
            yield from texts(other, scope)
        case ast.Name(id=name):
            for statement in ast.walk(scope):
                if isinstance(statement, ast.Assign) and any(
                    isinstance(to, ast.Name) and to.id == name for to in statement.targets
                ):
                    yield from texts(statement.value, ast.Module([], []))


def templates(path: Path) -> Iterator[tuple[ast.AST, list[str]]]:
    """What may be said in a module: each argument that is a template, with the strings that it may be."""
    tree = ast.parse(path.read_text("utf-8"))
    is_command = path.parent.name == "cli"
    positions = ANYWHERE | (IN_COMMANDS if is_command else {})
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        around = [function for function in functions if function.lineno <= call.lineno <= (function.end_lineno or 0)]
        scope = max(around, key=lambda function: function.lineno, default=tree)
        is_help = is_command and name in ("add_argument", "add_parser", "_Parser")
        arguments = [keyword.value for keyword in call.keywords if is_help and keyword.arg in ("help", "description")]
        if name == "translated_each" and is_command:
            arguments += call.args
        elif name in positions and isinstance(call.func, ast.Name):
            arguments += call.args[positions[name] :][:1]
        yield from ((argument, [text for text in texts(argument, scope) if text.strip()]) for argument in arguments)


MODULES = sorted(PACKAGE.rglob("*.py"))
SAID = sorted({text for path in MODULES for _, texts_found in templates(path) for text in texts_found})
DECLARED = {text for check in CHECKS.values() for text in (check.fault, check.hint) if text}
DECLARED |= {
    text for layout in layouts().values() for text in (layout.uncertain, layout.refused, *layout.notes) if text
}


def fields(template: str) -> set[str]:
    return {name for _, name, *_ in Formatter().parse(template) if name}


def test_most_of_what_is_said_is_found():
    assert len(SAID) > 700
    assert "There is no setting {name!r}: {hint}" in SAID
    assert "print the scorecard" in SAID


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_errors_are_templates(path):
    """A text that is put together before it is raised could be said in English alone."""
    lines = [node.lineno for node, _ in templates(path) if isinstance(node, ast.JoinedStr)]
    assert lines == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_says_all_with_the_same_fields(language):
    known = phrases(language)["phrases"]
    assert sorted({*SAID, *DECLARED} - known.keys()) == []
    differing = {
        english: translated
        for english, translated in known.items()
        if "%" not in english and fields(english) != fields(translated)
    }
    assert differing == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_value_is_quoted_as_python_does(language):
    """Python would write the signs around a value that keep it apart from the words as \\u2068."""
    assert [text for text in phrases(language)["phrases"].values() if "!r" in text] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_counted_nouns_are_there(language):
    words = Words(language)
    nouns = {
        form
        for english, translated in phrases(language)["phrases"].items()
        if fields(english)
        for _, _, form, _ in Formatter().parse(translated)
        if form
    }
    for noun in sorted(nouns):
        assert words.count(noun, 3), noun


def test_an_error_is_its_english_text_and_keeps_what_it_is_made_of():
    inner = SettingsError("There is no metric {name!r}: {hint}", name="churm", hint=did_you_mean("churm", ["churn"]))
    outer = SettingsError("{file}: {error}", file=Path("retention.toml"), error=inner)
    assert str(outer) == "retention.toml: There is no metric 'churm': did you mean 'churn'?"
    again = pickle.loads(pickle.dumps(outer))
    assert str(again) == str(outer)
    arabic = Words("ar").say(again)
    assert bidi.plain(arabic) == "retention.toml: لا يوجد مؤشر «churm»: هل تقصد «churn»؟"
    assert arabic.count("\u2066") == arabic.count("\u2069")  # every name is isolated


def test_a_text_without_values_may_have_braces():
    error = SettingsError("data.engine holds a password: write ${PGPASSWORD} for it and set that in the environment.")
    assert str(error).endswith("write ${PGPASSWORD} for it and set that in the environment.")
    assert "${PGPASSWORD}" in bidi.plain(Words("ar").say(error))


def test_numbers_are_the_same_and_count_their_noun():
    error = DataError("{file}: its view gives more than {row_limit:,} rows: make it a table.", file="a.db", row_limit=5)
    assert str(error) == "a.db: its view gives more than 5 rows: make it a table."
    assert bidi.plain(Words("ar").say(error)) == "a.db: يعطي العرض فيه أكثر من 5 صفوف: اجعله جدولًا."


def test_lists_have_the_links_of_the_language():
    assert str(Listed(["a", "b"], " or ")) == "a or b"
    assert bidi.plain(Words("ar").say(Listed(["a", "b"], " or "))) == "a أو b"
    assert pickle.loads(pickle.dumps(Listed(["a", "b"], " or "))).items == ("a", "b")


def test_what_no_language_knows_stays_english():
    assert bidi.plain(Words("ar").say(DataError("A sentence of a plug-in."))) == "A sentence of a plug-in."
    assert bidi.plain(Words("ar").say(ValueError("of another library"))) == "of another library"


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("قيمة --jobs هي {jobs}: واحد", "قيمة <--jobs> هي {jobs}: واحد"),
        ("أرسل `retention-kit send {pack}`.", "أرسل <`retention-kit send {pack}`>."),
        ("goals.{name}.by: {error}", "<goals.{name}.by>: {error}"),
        ("على {host}:{port}: {reason}.", "على <{host}:{port}>: {reason}."),
        ('اكتب {table} = "{path}" تحت [data].', 'اكتب <{table} = "{path}"> تحت <[data]>.'),
        ("(المبدئي: ./retention.toml)", "(المبدئي: <./retention.toml>)"),
        ("المعامل %(argument_name)s: %(message)s", "المعامل <%(argument_name)s>: %(message)s"),
    ],
)
def test_what_is_to_be_typed_is_isolated(sentence, expected):
    assert bidi.isolate_typed(sentence).translate({0x2066: "<", 0x2069: ">"}) == expected
