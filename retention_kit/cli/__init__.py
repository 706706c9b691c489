"""The command line: one module for each group of commands.

Exit codes: 0 done; 1 a part failed (what could be made is there, marked); 2 wrong usage, settings or data; 3 an alert
fires that is to end with it.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from typing import Any

from retention_kit.cli import alerts, check, follow_ups, goals, importing, mail, metrics, project, report, survey
from retention_kit.cli.output import DONE, FAILED, INTERRUPTED, WRONG, end
from retention_kit.cli.terminal import Interrupts, fill_descriptors, steady
from retention_kit.errors import ReportError, RetentionKitError


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code; every error is one sentence on standard error."""
    with steady() as (output, _):
        left = None
        try:
            code = _main(argv)
        except SystemExit as error:  # after help, or an option that does not exist
            left, code = error, error.code if isinstance(error.code, int) else DONE
        output.flush()
        if output.is_lost:
            reason = getattr(output.error, "strerror", None) or output.error
            return end(max(code, FAILED), f"Standard output cannot be written to: {reason}.")
        if left:
            raise left
        return code


def _main(argv: list[str] | None) -> int:
    asked = Interrupts(_end_queries)
    try:
        with asked:
            arguments = parser().parse_args(argv)
            return arguments.run(arguments)
    except KeyboardInterrupt:
        return end(INTERRUPTED, "Interrupted: nothing was changed.")
    except Exception as error:
        if asked.came:  # what an engine, or whoever else was at work, made of it
            return end(INTERRUPTED, "Interrupted: nothing was changed.")
        if isinstance(error, ReportError):
            return end(FAILED, error)
        if isinstance(error, RetentionKitError):
            return end(WRONG, error)
        if isinstance(error, OSError):
            return end(FAILED, f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}.")
        raise


def _end_queries() -> None:
    if engine := sys.modules.get("retention_kit.data.engines.duckdb"):
        engine.interrupt_all()


def run() -> None:
    """Run one command as a process, which ends with it."""
    fill_descriptors()
    gc.set_threshold(100_000)  # what is loaded stays: looking through it over and over takes a twentieth of a run
    code = main()
    from retention_kit.report.execution.forkserver import (
        exit_quickly,  # late: what only prints help imports next to nothing
    )

    exit_quickly(code)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage lines above it."""

    def error(self, message: str) -> Any:
        self.exit(WRONG, f"retention-kit: {message}; {self.prog} --help tells what there is.\n")


class _Version(argparse.Action):
    """Prints the version; looked up only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"retention-kit {version('retention-kit')}")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The parser of all commands, which completes words too where a shell asks for it (argcomplete)."""
    ours = _Parser(prog="retention-kit", description="Whether customers stay, and what to do about it.")
    ours.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    commands = ours.add_subparsers(metavar="COMMAND", required=True)
    for group in (report, metrics, goals, alerts, check, importing, project, mail, follow_ups, survey):
        group.add(commands)
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(ours)
    return ours
