"""`python -m retention_kit.cli`, as schedules call it."""

from retention_kit.cli import run

run()
