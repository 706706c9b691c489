"""The command line: one module for each group of commands.

Exit codes: 0 done; 1 a part failed, and the rest was made; 2 wrong usage, settings or data; 3 an alert with
`exit` fires.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from typing import Any

from retention_kit.bidi import plain
from retention_kit.cli import alerts, check, follow_ups, goals, importing, mail, metrics, project, report, survey
from retention_kit.cli.language import (
    add_language,
    isolate_rtl,
    requested_language,
    switch_language,
    translated,
    use_language,
)
from retention_kit.cli.output import DONE, FAILED, WRONG, end, nothing_changed
from retention_kit.cli.terminal import Interrupts, Stream, fill_descriptors, robust_streams
from retention_kit.errors import ReportError, RetentionKitError, SettingsError, nearest, suggestion


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code; every error is one sentence on standard error."""
    with robust_streams() as (output, _):
        try:
            language = requested_language(sys.argv[1:] if argv is None else argv)
        except SettingsError as error:
            return end(WRONG, error)
        with use_language(language):
            return _main(argv, output)


def _main(argv: list[str] | None, output: Stream) -> int:
    exit_request = None
    try:
        code = _run(argv)
    except SystemExit as error:  # after help, or for an unknown option
        exit_request, code = error, error.code if isinstance(error.code, int) else DONE
    output.flush()
    if output.is_lost:
        reason = getattr(output.error, "strerror", None) or output.error
        return end(max(code, FAILED), "Standard output cannot be written to: {reason}.", reason=reason)
    if exit_request:
        raise exit_request
    return code


def _run(argv: list[str] | None) -> int:
    interrupts, arguments = Interrupts(_end_queries), argparse.Namespace(interrupted=nothing_changed)
    try:
        with interrupts:
            parser().parse_args(argv, arguments)
            switch_language(getattr(arguments, "command_language", ""))
            if hasattr(arguments, "before_threads"):
                arguments.before_threads(arguments)
            interrupts.listen()
            return arguments.run(arguments)
    except KeyboardInterrupt:
        return arguments.interrupted()
    except Exception as error:
        if interrupts.is_interrupted:  # another error caused by the interrupt
            return arguments.interrupted()
        if isinstance(error, ReportError):
            return end(FAILED, error)
        if isinstance(error, RetentionKitError):
            return end(WRONG, error)
        if isinstance(error, OSError):
            template = "{reason}: {file}." if error.filename else "{reason}."
            return end(FAILED, template, reason=error.strerror or error, file=error.filename)
        raise


def _end_queries() -> None:
    if engine := sys.modules.get("retention_kit.data.engines.duckdb"):
        engine.interrupt_all()


def run() -> None:
    """Run one command and end the process."""
    fill_descriptors()
    gc.set_threshold(100_000)  # frequent collections take 5% of a run, and most objects stay
    code = main()
    from retention_kit.report.execution.forkserver import exit_quickly  # late: help imports next to nothing

    exit_quickly(code)


class _Formatter(argparse.HelpFormatter):
    """Help in the language of the commands."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help and plain(translated(action.help))

    def add_text(self, text: str | None) -> None:
        super().add_text(text and plain(translated(text)))

    def _split_lines(self, text: str, width: int) -> list[str]:
        return [isolate_rtl(line) for line in super()._split_lines(text, width)]

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return isolate_rtl(super()._fill_text(text, width, indent))


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, without the usage lines."""

    def __init__(self, **options: Any):
        super().__init__(formatter_class=_Formatter, **options)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        parsed, unknown = super().parse_known_args(args, namespace)
        known = [option for option in self._option_string_actions if option.startswith("--")]
        for option in (one.partition("=")[0] for one in unknown if one.startswith("--")):
            if near := nearest(option, known):
                self.error(translated("there is no option {option}: {hint}", option=option, hint=suggestion(near)))
        if unknown and not self._subparsers:  # the help that has the options of this command
            self.error(argparse._("unrecognized arguments: %s") % " ".join(unknown))  # type: ignore[attr-defined]
        return parsed, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and (near := nearest(value, map(str, action.choices))) and near != value:
            sentence = translated("there is no {value!r}: {hint}", value=value, hint=suggestion(near))
            raise argparse.ArgumentError(action, sentence)
        super()._check_value(action, value)

    def error(self, message: str) -> Any:
        if plain(message).endswith(("?", "؟")):  # it has the nearest choice
            self.exit(WRONG, f"retention-kit: {message}\n")
        template = "{message}; {command} --help tells what there is."
        sentence = translated(template, message=message.removesuffix("."), command=self.prog)
        self.exit(WRONG, f"retention-kit: {sentence}\n")


class _Version(argparse.Action):
    """Prints the version, which is looked up only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"retention-kit {version('retention-kit')}")
        parser.exit()


def _add_language(commands: Any) -> None:
    """Add `--language` to every command that has no such option of its own."""
    for command in commands.choices.values():
        if "--language" not in command._option_string_actions:
            add_language(command)
        for action in command._actions:
            if isinstance(action, argparse._SubParsersAction):
                _add_language(action)


def parser() -> argparse.ArgumentParser:
    """The parser of all commands, with shell completion (argcomplete)."""
    root = _Parser(prog="retention-kit", description="Whether customers stay, and what to do about it.")
    root.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    add_language(root)
    commands = root.add_subparsers(metavar="COMMAND", required=True)
    for group in (report, metrics, goals, alerts, check, importing, project, mail, follow_ups, survey):
        group.add(commands)
    _add_language(commands)
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(root)
    return root
