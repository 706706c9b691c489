"""What `retention-kit --help` cannot do without: Python, argparse, and a parser of the same size. It imports nothing of
ours.
"""

import argparse

SELECTION = ("--data", "--as-of", "--period", "--from", "--to", "--every", "--segment")
COMMANDS = {
    "report": (
        *SELECTION,
        "--language",
        "--format",
        "--output",
        "--only",
        "--templates",
        "--static",
        "--jobs",
        "--force",
    ),
    "metrics": (*SELECTION, "--metric", "--json", "--csv"),
    "check": SELECTION[:2],
    "rerun": ("pack",),
    "init": ("folder",),
}

parser = argparse.ArgumentParser(prog="retention-kit", description="Whether customers stay, and what to do about it.")
commands = parser.add_subparsers(metavar="COMMAND", required=True)
for name, options in COMMANDS.items():
    command = commands.add_parser(name, help=f"the command {name}")
    for option in options:
        command.add_argument(option, help=f"the option {option}")
parser.parse_args()
