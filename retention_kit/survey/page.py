"""The pages for customers: the form and its follow-up pages. Nothing is loaded, and no script runs."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, Template
from markupsafe import Markup

from retention_kit.survey.questions import COMMENT, SCALES, Answers
from retention_kit.survey.words import languages, number, words


@cache
def style() -> str:
    """The style sheet of the pages, to be embedded."""
    lines = files(__package__).joinpath("page.css").read_text("utf-8").splitlines()
    return "\n".join(line.strip() for line in lines)


@cache
def policy() -> str:
    """The content security policy: only that style sheet, and forms only to their own origin."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


def form_page(
    surveys: Iterable[str],
    language: str,
    company: str = "",
    answers: Answers | None = None,
    query: Iterable[tuple[str, str]] = (),
) -> str:
    """The form of some surveys as HTML, filled with `answers` and their errors.

    `query` is that of the request; links to other languages keep its scores.
    """
    answers, texts = answers or Answers({}), words(language)
    errors = {name: _error(texts, word, name, language) for name, word in answers.errors.items()}
    kept_query = [(name, text) for name, text in query if name in SCALES]
    others = [
        {
            "language": other,
            "name": words(other)["name"],
            "direction": words(other)["direction"],
            "query": urlencode([*kept_query, ("lang", other)]),
        }
        for other in languages()
        if other != language
    ]
    questions = [_question(name, language, company, answers.scores, errors.get(name)) for name in surveys]
    title = texts["form"]["title"]
    return _render(
        language,
        title=f"{texts['errors']['title']}: {title}" if errors else title,
        heading=title,
        others=others,
        questions=questions,
        errors=[{"text": text, "target": _target(name)} for name, text in errors.items()],
        comment=answers.comment or "",
        comment_error=errors.get("comment"),
        most=COMMENT,
    )


def text_page(name: str, language: str) -> str:
    """A page with a title and a text: `thanks`, `answered`, `unknown` and the others of `pages`."""
    page = words(language)["pages"][name]
    return _render(language, title=page["title"], heading=page["title"], text=page["text"])


def question_text(name: str, language: str, company: str = "") -> Markup:
    """The question of a survey; the company's name is isolated, as its direction may differ."""
    texts = words(language)
    isolated = Markup("<bdi>{}</bdi>").format(company) if company else texts["company"]
    return Markup(texts[name]["question"]).format(company=isolated)


def _question(name: str, language: str, company: str, scores: Mapping[str, int], error: str | None) -> dict[str, Any]:
    low, high = SCALES[name]
    texts = words(language)
    ends = {
        end: texts["form"]["end"].format(number=number(value, language), words=texts[name][end])
        for end, value in (("low", low), ("high", high))
    }
    options = [
        {"value": value, "label": number(value, language), "is_chosen": scores.get(name) == value}
        for value in range(low, high + 1)
    ]
    return {"name": name, "text": question_text(name, language, company), "options": options, "error": error, **ends}


def _error(texts: Mapping[str, Any], word: str, name: str, language: str) -> str:
    low, high = (0, COMMENT) if name == "comment" else SCALES[name]
    return texts["errors"][word].format(low=number(low, language), high=number(high, language))


def _target(name: str) -> str:
    """The id of the field that an error links to."""
    return name if name == "comment" else f"{name}-{SCALES[name][0]}"


@cache
def template(name: str) -> Template:
    """A template of this room by its file's name."""
    return Environment(autoescape=True).from_string(files(__package__).joinpath(name).read_text("utf-8"))


def _render(language: str, **values: Any) -> str:
    return template("page.html.j2").render(language=language, words=words(language), style=Markup(style()), **values)
