"""The word files: `locale/<language>.toml`, each of which says all that the English one does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

from retention_kit.bidi import isolate_typed
from retention_kit.errors import Phrase, SettingsError, did_you_mean

FOLDER = Path(__file__).with_name("locale")
# What a language says beyond the English file: nouns that it counts, and what stands in code: figures, tables, checks.
OWN = ("counted", "metrics", "tables", "checks")


def languages() -> list[str]:
    """The languages a report can be written in: one file each in `locale/`."""
    return sorted(path.name[:-5] for path in FOLDER.iterdir() if path.name[-5:] == ".toml")


@cache
def locale_of(language: str) -> str:
    """Of whom numbers and dates are written as in a language, `ar`, or in a region of it, `ar-SA`: a name that Babel
    knows. Raises SettingsError.
    """
    from babel import Locale, UnknownLocaleError

    name, _, region = language.partition("-")
    if name not in languages():
        template = "There is no language {language!r} yet: {hint}"
        raise SettingsError(template, language=language, hint=did_you_mean(name, languages()))
    if not region:
        return word_file(name)["locale"]
    try:
        return str(Locale.parse(f"{name}_{region}"))
    except (UnknownLocaleError, ValueError):
        template = "Nothing is known of how {name!r} is written in {region!r}: write {name!r} alone."
        raise SettingsError(template, name=name, region=region) from None


def _read(path: Path) -> dict[str, Any]:
    import tomllib  # late: help in English reads no file

    return tomllib.loads(path.read_text("utf-8"))


@cache
def word_file(name: str) -> dict[str, Any]:
    """All that a language's file says. Raises SettingsError where it lacks what the English one has."""
    sentences = _read(FOLDER / f"{name}.toml")
    if name != "en" and (faults := list(faults_of(sentences, word_file("en")))):
        more = Phrase(" (and {count} more)" if len(faults) > 1 else "", count=len(faults) - 1)
        template = "The words of {name!r} are not whole: {fault}{more}."
        raise SettingsError(template, name=name, fault=faults[0], more=more)
    return sentences


@cache
def phrases(name: str) -> dict[str, dict[str, Any]]:
    """What a language has for `errors.Phrase`, from `locale/phrases/<language>.toml`: `phrases`, by the English
    template, and the nouns that are `counted` in them. English stands in code.
    """
    path = FOLDER / "phrases" / f"{name}.toml"
    if not path.is_file():
        return {"phrases": {}, "counted": {}}
    content = _read(path)
    if word_file(name)["direction"] == "rtl":
        content["phrases"] = {english: isolate_typed(translated) for english, translated in content["phrases"].items()}
    return content


def faults_of(sentences: Mapping[str, Any], english: Mapping[str, Any]) -> Iterator[str]:
    """What keeps a word file from saying all that the English one does: keys, fields, and forms of counted nouns."""
    from babel import Locale

    own, expected = flat(sentences), flat(english)
    missing, unknown = sorted(expected.keys() - own.keys()), sorted(own.keys() - expected.keys())
    yield from (f"{key} is missing" for key in missing if not key.startswith(OWN))
    yield from (f"{key} is said nowhere" for key in unknown if not key.startswith(OWN))
    nouns = sentences.get("counted", {})
    for key, sentence in own.items():
        known = {name for name, _ in fields_of(expected.get(key, sentence))}
        if key.startswith("counted."):
            known.add("n")  # which a form may leave out: "the best score"
        for name, noun in fields_of(sentence):
            if name not in known:
                yield f"{key} has no {{{name}}}"
            if noun and noun not in nouns:
                yield f"{key} counts {noun}, which [counted] lacks"
    forms = {*Locale.parse(sentences["locale"]).plural_form.tags, "other"}
    for noun, words in nouns.items():
        yield from (f"counted.{noun} lacks {form!r}" for form in sorted(forms - words.keys()))


@cache
def fields_of(sentence: str) -> list[tuple[str, str]]:
    """The fields of a sentence, each with the noun that is counted with it, if one is."""
    return [(name, noun or "") for _, name, noun, _ in Formatter().parse(sentence) if name is not None]


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Sentences by dotted key."""
    result: dict[str, str] = {}
    for name, value in table.items():
        key = f"{prefix}{name}"
        result |= flat(value, f"{key}.") if isinstance(value, Mapping) else {key: value}
    return result
