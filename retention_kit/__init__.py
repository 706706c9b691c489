"""retention-kit: whether customers stay, why they leave and what to do about it."""

from importlib import import_module

_HOMES = {
    "METRICS": "metrics.catalogue",
    "Page": "report.page",
    "Period": "periods",
    "build_report": "report.build.builder",
    "ces": "metrics.definitions.feedback",
    "churn_reasons": "metrics.breakdowns",
    "cohorts": "metrics.breakdowns",
    "csat": "metrics.definitions.feedback",
    "customer_movements": "metrics.breakdowns",
    "explore": "widgets",
    "load": "data.dataset",
    "mrr_movements": "metrics.breakdowns",
    "nps": "metrics.definitions.feedback",
    "rfm": "metrics.queries.summaries",
    "sample": "data.dataset",
    "scorecard": "metrics.scorecard",
    "send_report": "delivery.send",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    """Import on first use: `import retention_kit` itself loads nothing heavy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'retention_kit' has no attribute {name!r}")
    return getattr(import_module(f"retention_kit.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
