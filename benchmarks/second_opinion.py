"""The lifetime models beside other packages': `python benchmarks/second_opinion.py` writes SECOND_OPINION.md beside it.

lifetimes, pymc-marketing and lifelines are installed into environments of their own; pymc-marketing wants Python 3.12,
which RETENTION_KIT_PYTHON names where it is not on the path.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from environments import PACKAGES, NotThere, environment
from measure import run

from retention_kit.metrics.models import fit_bg_nbd, fit_gamma_gamma, fit_sbg, kaplan_meier, log_rank

FILE = Path(__file__).with_name("SECOND_OPINION.md")
PEER = Path(__file__).parent / "peers" / "models.py"
WEEKS = 39
ALIVE = [1000, 631, 468, 382, 326, 289, 262, 241]  # Fader and Hardie (2007), regular customers
# How far apart they may be: where all is a formula, by rounding; where it is a search, by where the other one stopped.
ALLOWED = {"lifetimes": 1e-5, "pymc_marketing": 1e-3, "lifelines": 1e-6}
TREATED = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def inputs(folder: Path) -> dict:
    """CDNOW (the tenth of 2,357 customers), a published cohort, a published trial and made-up spells of three groups."""
    purchases = pd.read_csv(folder / "cdnow_customers_summary.csv")[["frequency", "recency", "T"]]
    spend = pd.read_csv(folder / "cdnow_customers_summary_with_transactions.csv")
    spend = spend[spend["x"] > 0].rename(columns={"x": "frequency", "zbar": "monetary"})[["frequency", "monetary"]]
    rng = np.random.default_rng(19)
    groups = np.arange(600) % 3
    drawn = {
        "durations": rng.geometric(np.array([0.05, 0.08, 0.06])[groups]).tolist(),
        "events": (rng.random(600) < 0.7).astype(int).tolist(),
        "groups": groups.tolist(),
    }
    trial = {"durations": TREATED + PLACEBO, "events": [1] * 9 + [0] * 12 + [1] * 21, "groups": [0] * 21 + [1] * 21}
    return {
        "purchases": purchases.to_dict("list"),
        "spend": spend.to_dict("list"),
        "t": WEEKS,
        "alive": ALIVE,
        "spells": {"trial": trial, "three groups": drawn},
    }


def ours(data: dict) -> dict[str, float]:
    """The figures of the package."""
    rows = [np.array(data["purchases"][name]) for name in ("frequency", "recency", "T")]
    model = fit_bg_nbd(*rows)
    spend = [np.array(data["spend"][name]) for name in ("frequency", "monetary")]
    money, members = fit_gamma_gamma(*spend), fit_sbg(data["alive"])
    figures = {
        **{f"BG/NBD {name}": getattr(model, name) for name in ("r", "alpha", "a", "b")},
        "expected purchases": float(model.expected_purchases(data["t"], *rows).sum()),
        "alive": float(model.probability_alive(*rows).sum()),
        **{f"Gamma-Gamma {name}": getattr(money, name) for name in "pqv"},
        "expected spend": float(money.expected_value(*spend).sum()),
        "sBG alpha": members.alpha,
        "sBG beta": members.beta,
    }
    for name, spells in data["spells"].items():
        curve = kaplan_meier(spells["durations"], spells["events"])
        for row in curve.itertuples():
            figures[f"{name}: survival at {row.time}"] = row.survival
            figures[f"{name}: low at {row.time}"] = 0.0 if math.isnan(row.low) else row.low
            figures[f"{name}: high at {row.time}"] = 0.0 if math.isnan(row.high) else row.high
        figures[f"{name}: median"] = curve.attrs["median"]
        figures[f"{name}: log-rank"], figures[f"{name}: p"] = log_rank(**spells)
    return figures


def page(
    own_figures: dict[str, float], others: dict[str, dict[str, float]], missing: dict[str, str]
) -> tuple[str, bool]:
    """The file, and whether all agree."""
    lines = ["# The lifetime models beside other packages'", ""]
    lines += ["Written by `python benchmarks/second_opinion.py`; each package in an environment of its own.", ""]
    agree = True
    for package, figures in others.items():
        apart = {
            name: abs(own_figures[name] / value - 1) if value else abs(own_figures[name])
            for name, value in figures.items()
        }
        worst = max(apart, key=apart.__getitem__)
        holds = apart[worst] <= ALLOWED[package]
        agree &= holds
        lines += [
            f"## {PACKAGES[package][0].replace('==', ' ')}",
            "",
            f"{len(figures)} figures, {'all' if holds else '**not all**'} within {ALLOWED[package]:g} of ours; farthest: "
            f"{worst}, {apart[worst]:.1e}.",
            "",
            "| figure | ours | theirs | apart |",
            "|---|---:|---:|---:|",
        ]
        names = [name for name in figures if " at " not in name]  # a curve has a hundred of the others
        lines += [f"| {name} | {own_figures[name]:.6g} | {figures[name]:.6g} | {apart[name]:.0e} |" for name in names]
        lines.append("")
    lines += [f"{package} is missing: {reason}\n" for package, reason in missing.items()]
    lines += [
        f"CDNOW: 2,357 customers, weeks, the next {WEEKS} weeks (Fader, Hardie and Lee 2005); 946 repeat buyers' spend.",
        "The shifted beta-geometric: regular customers of Fader and Hardie (2007). Survival curves: the leukaemia trial of",
        "Freireich et al. (1963), and 600 made-up spells of three groups. pymc-marketing: the maximum of the posterior",
        "under flat priors. What is apart there and with lifetimes is where their searches stopped.",
        "",
    ]
    return "\n".join(lines), agree


def main() -> int:
    with TemporaryDirectory() as folder:
        facts = run([environment("lifetimes"), PEER, "folder"]).output
        data = inputs(Path(facts["folder"]))
        path = Path(folder, "inputs.json")
        path.write_text(json.dumps(data), "utf-8")
        others, missing = {}, {}
        for package in ALLOWED:
            try:
                others[package] = dict(run([environment(package), PEER, package, path]).output["figures"])
            except NotThere as error:
                missing[package] = str(error)
    text, agree = page(ours(data), others, missing)
    FILE.write_text(text, "utf-8")
    return 0 if agree and not missing else 1


if __name__ == "__main__":
    sys.exit(main())
