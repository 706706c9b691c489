"""Exports of other products, recognised by their headers: one TOML each, and what is written into `retention.toml` for
them.
"""
