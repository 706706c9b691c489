"""What tests of delivery share."""

from types import SimpleNamespace

import pytest

from retention_kit.delivery import dispatch


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """What was waited for; nobody waits."""
    slept = []
    monkeypatch.setattr(dispatch, "time", SimpleNamespace(sleep=slept.append))
    return slept
