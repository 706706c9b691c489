"""The commands for surveys: `retention-kit survey serve | invite | export`."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from retention_kit.cli.options import SETTINGS, add_number
from retention_kit.cli.output import DONE, INTERRUPTED, end, say
from retention_kit.errors import SettingsError, naming

if TYPE_CHECKING:
    from retention_kit.cli.options import Commands

MOST_DAYS = 36_500  # a hundred years


def add(commands: Commands) -> None:
    """Add the commands to the parser's."""
    survey = commands.add_parser("survey", help="ask customers by a form of your own")
    parts = survey.add_subparsers(metavar="COMMAND", required=True)

    serve = parts.add_parser("serve", help="serve the form that invitations lead to, until it is ended")
    _add_store(serve)
    serve.add_argument("--host", default="127.0.0.1", help="where it listens (default: 127.0.0.1, this machine alone)")
    add_number(serve, "--port", least=0, most=2**16 - 1, default=8000, help="where it listens (default: 8000)")
    serve.add_argument("--public-url", default="", metavar="URL", help="where customers reach it, through a proxy")
    serve.add_argument("--root-path", metavar="PATH", help="what a proxy leaves before /s/ (default: that of the URL)")
    _add_company(serve)
    serve.set_defaults(run=_serve)

    invite = parts.add_parser("invite", help="write links for a list of customers, and a block for their mail")
    _add_store(invite)
    invite.add_argument("--to", required=True, type=Path, metavar="FILE", help="a list with a column customer_id")
    invite.add_argument("--survey", default="nps", metavar="NAMES", help="nps, csat or ces, or several: nps,csat")
    invite.add_argument("--public-url", required=True, metavar="URL", help="where customers reach the form")
    invite.add_argument("--output", default="invitations", type=Path, metavar="DIR", help="where links and block land")
    invite.add_argument("--language", default="en", help="en or ar, of the form and the block (default: en)")
    add_number(
        invite,
        "--days",
        least=0,
        most=MOST_DAYS,
        default=90,
        metavar="N",
        help="leave out who was invited in the last N days (default: 90)",
    )
    _add_company(invite)
    invite.set_defaults(run=_invite)

    export = parts.add_parser("export", help="write the answers as a table of responses")
    _add_store(export)
    export.add_argument("--output", default="responses.csv", type=Path, metavar="FILE", help="default: responses.csv")
    export.set_defaults(run=_export)


def _add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store", default="survey.sqlite", type=Path, metavar="FILE", help="the answers (default: survey.sqlite)"
    )


def _add_company(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--company", help="whom the questions are about (default: that of ./retention.toml)")


def _company(arguments: argparse.Namespace) -> str:
    from retention_kit.settings import read_settings

    if arguments.company is None and SETTINGS.is_file():
        return read_settings(SETTINGS).report.company or ""
    return arguments.company or ""


def _serve(arguments: argparse.Namespace) -> int:
    from urllib.parse import urlsplit

    from retention_kit.survey.links import check_public_url
    from retention_kit.survey.serve import serve

    public_url = check_public_url(arguments.public_url) if arguments.public_url else ""
    root = (urlsplit(public_url).path if arguments.root_path is None else arguments.root_path).rstrip("/")
    if root and not root.startswith("/"):
        raise SettingsError("--root-path {root!r} has to begin with a slash, such as /survey.", root=root)
    try:
        template = "The form is served at {where}, its answers go into {store}."
        serve(
            arguments.store,
            arguments.host,
            arguments.port,
            company=_company(arguments),
            public_url=public_url,
            root_path=root,
            ready=lambda where: say(template, where=where, store=arguments.store),
        )
    except KeyboardInterrupt:
        return end(INTERRUPTED, "The form is no longer served; every answer is in {store}.", store=arguments.store)
    return DONE


def _invite(arguments: argparse.Namespace) -> int:
    from retention_kit.survey.invitations import invite, read_customers
    from retention_kit.survey.links import check_public_url
    from retention_kit.survey.questions import parse_surveys
    from retention_kit.survey.store import Store
    from retention_kit.survey.words import words

    surveys, company = parse_surveys(arguments.survey), _company(arguments)
    with naming("--language"):
        words(arguments.language)
    check_public_url(arguments.public_url)
    with naming("--to"):
        customers, nobody = read_customers(arguments.to)
    with closing(Store(arguments.store, make=True)) as store:
        done = invite(
            store,
            customers,
            surveys,
            arguments.public_url,
            arguments.output,
            language=arguments.language,
            company=company,
            days=arguments.days,
            nobody=nobody,
        )
    for path in done.files:
        print(path)
    say("{count:,} invited.", count=done.invited)
    if done.recent:
        say("{count:,} left out: invited in the last {days} days already.", count=done.recent, days=arguments.days)
    if done.nobody:
        say("{count:,} left out: rows without a customer.", count=done.nobody)
    return DONE


def _export(arguments: argparse.Namespace) -> int:
    from retention_kit.survey.invitations import export
    from retention_kit.survey.store import Store

    with closing(Store(arguments.store)) as store:
        number = export(store, arguments.output)
    print(arguments.output)
    say("Answers written: {count:,}.", count=number)
    return DONE
