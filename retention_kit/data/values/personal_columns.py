"""Recognises columns with personal data or free text by their names, as these cannot be segments."""

from __future__ import annotations

import re

from retention_kit.wording import sentence

# Kinds of content by words of a column's name; `_LAST_WORDS` only as the last word (`order_number`, not
# `number_of_items`).
_WORDS = {
    "id": "id ids uuid guid hash token iban vat ssn sku reference ref invoice receipt transaction checkout cookie "
    "session",
    "url": "url uri link href referrer referer useragent agent landing site",
    "name": "firstname lastname surname fullname forename username login company vendor",
    "address": "address addr street zip postcode postal latitude longitude lat lng lon geo",
    "phone": "phone telephone tel fax msisdn",
    "email": "email mail",
    "ip": "ip ipaddress",
    "text": "comment comments note notes message description text feedback remark remarks memo body answer "
    "details subject",
}
_LAST_WORDS = {
    "id": "number no nr num barcode",
    "name": "name user customer contact",
    "birthday": "birthday birthdate dob",
}
_FLAGS = frozenset(["accepts", "accepted", "accept", "consent", "opt", "optin", "optout", "subscribed", "subscription",
                   "verified", "marketing", "is", "has", "type", "kind", "group", "category", "class", "domain",
                   "country", "region", "state", "province", "city", "source", "channel", "product",
                   "plan"])  # fmt: skip  # words by the line


def personal_reason(name: str) -> str:
    """Why a column is no segment by its name; empty if it may be one."""
    words = re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z\d])(?=[A-Z])", " ", name).lower())
    if not words or _FLAGS & set(words):
        return ""
    kinds = [kind for kind, known in _WORDS.items() if set(known.split()) & set(words)]
    kinds += [kind for kind, known in _LAST_WORDS.items() if words[-1] in known.split()]
    return sentence(f"quality.no_segment.{kinds[0]}") if kinds else ""
