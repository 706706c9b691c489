"""Let customers answer the survey all at once while its server is killed: what was lost or doubled, a line a trial.

python benchmarks/survey_storm.py --customers 500 --kills 4 --trials 20
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from survey_server import storm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in {"customers": 500, "kills": 4, "trials": 20, "seed": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments, total = parser.parse_args(), Counter[str]()
    for trial in range(arguments.trials):
        with tempfile.TemporaryDirectory() as folder:
            counts = storm(Path(folder) / "survey.sqlite", arguments.customers, arguments.kills, arguments.seed + trial)
        sys.stdout.write(f"{trial + 1}/{arguments.trials}: {dict(counts)}\n")
        total += counts
    sys.stdout.write(f"all: {dict(total)}\n")


if __name__ == "__main__":
    main()
