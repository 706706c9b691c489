"""Our tables: required and optional columns, and the column that identifies a row."""

from __future__ import annotations

from retention_kit.wording import Sentence

REQUIRED = {
    "orders": ("customer_id", "ordered_at", "amount"),
    "subscriptions": ("customer_id", "started_at", "ended_at", "amount"),
    "responses": ("responded_at", "survey", "score"),
    "rates": ("date", "currency", "rate"),
    "known_customers": ("customer_id",),
    "tickets": ("customer_id", "opened_at", "closed_at"),
    "invitations": ("invited_at", "survey"),
}
OPTIONAL = {
    "orders": ("order_id", "refund_of", "refunded", "currency"),
    "subscriptions": (
        "subscription_id",
        "interval",
        "currency",
        "trial_ends_at",
        "cancel_reason",
        "status",
    ),
    "responses": ("customer_id", "response_id", "scale", "weight", "comment"),
    "rates": (),
    "known_customers": ("first_at",),
    "tickets": ("ticket_id",),
    "invitations": ("customer_id", "responded_at"),
}
IDENTITY = {"orders": "order_id", "subscriptions": "subscription_id"}


def table_name(table: str) -> Sentence:
    """The name of a table for readers; in English as in the settings."""
    return Sentence.declared(f"tables.{table}", table)
