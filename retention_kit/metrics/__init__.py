"""The figures. Importing anything from here declares all metrics: ours in the report's order, then
those of plug-ins.
"""

from importlib.metadata import entry_points

from retention_kit.errors import SettingsError

# isort: off
from retention_kit.metrics.definitions import customers, purchases, lifetime, revenue, feedback  # noqa: F401

# isort: on

for _plugin in entry_points(group="retention_kit.metrics"):  # modules of other packages that declare metrics
    try:
        _plugin.load()
    except (Exception, SystemExit) as error:
        raise SettingsError(
            "The metrics of the plug-in {name!r} ({value}) cannot be loaded: {error}",
            name=_plugin.name,
            value=_plugin.value,
            error=error,
        ) from error
