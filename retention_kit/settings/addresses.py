"""Addresses of people and of databases: parsing and validation."""

from __future__ import annotations

import re
import unicodedata

from retention_kit.errors import Listed, Phrase, SettingsError

ENGINES = ("duckdb", "sqlite")  # databases in a file
SERVERS = ("postgresql", "spark")  # engines that run our SQL themselves


def parse_address(text: str) -> tuple[str, str]:
    """Address and display name of `Name <name@example.com>` or `name@example.com`; raises SettingsError for others."""
    wrong = SettingsError("{text!r} is no email address: write it like Ann Lee <ann@example.com>.", text=text)
    match = re.fullmatch(r'\s*(?:"?([^"<>]*?)"?\s*<([^<>]*)>|([^<>]*?))\s*', text)
    joiners = dict.fromkeys(map(ord, "\u200c\u200d"))  # used in names of some languages
    if not match or not text.translate(joiners).isprintable():
        raise wrong
    name, address = (match[1] or "").strip(), match[2] or match[3] or ""
    local, _, domain = address.rpartition("@")
    if local and not local.isascii():
        template = "{text!r}: before the @ only ASCII letters are taken, as many mail servers take no others."
        raise SettingsError(template, text=text)
    try:
        unicode_domain, domain = domain, domain.encode("idna").decode().lower()
        is_same = unicode_domain.isascii() or domain.encode().decode("idna") == unicodedata.normalize(
            "NFC", unicode_domain.lower()
        )
    except UnicodeError:
        raise wrong from None
    if not is_same:  # ß is encoded as ss, which is another domain today
        template = "{text!r}: {unicode_domain} may name two domains: write it in ASCII, as its owner does (xn--…)."
        raise SettingsError(template, text=text, unicode_domain=unicode_domain)
    # Without quoted local parts: those are more likely typing errors.
    atom, label = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+", r"(?!-)[a-z0-9-]{1,63}(?<!-)"
    is_address = re.fullmatch(rf"{atom}(\.{atom})*", local) and re.fullmatch(rf"{label}(\.{label})*", domain)
    if not is_address or len(local) > 64 or len(domain) > 253:
        raise wrong
    return f"{local}@{domain}", name


def mask_url(url: str) -> str:
    """A URL's scheme and hosts, without user, password, path and options."""
    kind, mark, rest = url.partition("://")
    return kind + mark + re.split("[/?;]", rest.rpartition("@")[2])[0] if mark else kind


def check_engine(url: str) -> str:
    """The kind of a database URL; raises SettingsError if it is invalid, without repeating a password."""
    kind, mark, path = url.partition("://")
    kind = kind.partition("+")[0]
    files = Listed((f"{name}:///FILE" for name in ENGINES), " or ")
    known = Phrase("{files}, postgresql://USER@HOST/NAME or spark://HOST:PORT", files=files)
    if not mark or not kind.isalnum():
        raise SettingsError("data.engine is no address of a database: use {known}.", known=known)
    if kind not in ENGINES + SERVERS:
        raise SettingsError("data.engine: {kind} cannot be read yet, use {known}.", kind=kind, known=known)
    if kind in ENGINES and (not path.startswith("/") or path == "/"):
        raise SettingsError("data.engine names no file: write {kind}:///FILE.", kind=kind)
    if not path:
        raise SettingsError("data.engine names no host: write {kind}://….", kind=kind)
    return kind
