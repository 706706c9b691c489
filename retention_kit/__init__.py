"""retention-kit: whether customers stay, why they leave and what to do about it."""

from importlib import import_module

_HOMES = {
    "METRICS": "metrics.catalogue",
    "Period": "periods",
    "build_report": "report.pack",
    "ces": "metrics.feedback",
    "churn_reasons": "metrics.tables",
    "cohorts": "metrics.tables",
    "csat": "metrics.feedback",
    "customer_movements": "metrics.tables",
    "explore": "widgets",
    "load": "data.dataset",
    "mrr_movements": "metrics.tables",
    "nps": "metrics.feedback",
    "rfm": "metrics.summaries",
    "sample": "data.dataset",
    "scorecard": "metrics.scorecard",
    "send_report": "report.sending",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    """Import on first use: `import retention_kit` itself loads nothing heavy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'retention_kit' has no attribute {name!r}")
    return getattr(import_module(f"retention_kit.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
