"""The door out: charts, rich outputs, exporters, packs."""
