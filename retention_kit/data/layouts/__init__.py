"""Layouts of exports from other products: one TOML file each, recognised by their headers."""
