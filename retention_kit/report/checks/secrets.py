"""Finds secrets in files: those of the process's environment, and texts in the form of known keys."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from urllib.parse import quote, unquote

# Names of environment variables with secrets, and the length from which a value is no ordinary word.
_NAMES = re.compile(
    r"(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|SECRET_?KEY|PRIVATE_?KEY|CREDENTIALS?)(_\d+)?$|_PASS(_\d+)?$"
)
MIN_LENGTH, MIN_LENGTH_OF_MAIL = 8, 5
_WEBHOOK = "RETENTION_KIT_WEBHOOK_"  # an address, all of which but the host is secret
_ADDRESS = re.compile(r"^[A-Za-z][\w+.-]*://[^/\s:@]*:(.+)@[^@/\s]+")
# The detectors of detect-secrets for keys with a distinctive form (others need words around them, and match digests),
# with texts of which each key has one, which are searched first; empty if there are none.
DETECTORS = {
    "discord": (),
    "mailchimp": (b"-us",),
    "npm": (b"npm_", b"_authToken", b"NPM"),
    "sendgrid": (b"SG.",),
    "square_oauth": (b"sq0csp-",),
}
# Keys that it does not know, or more narrowly: the beginnings, which are searched first, and the whole pattern.
PATTERNS = {
    "an AWS access key": ((b"AKIA", b"ASIA"), rb"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Za-z0-9])"),
    "a GitHub token": (
        (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
        rb"\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_[A-Za-z0-9_]{40,}",
    ),
    "a GitLab token": ((b"glpat-",), rb"\bglpat-[\w-]{20,}"),
    "a Slack token": ((b"xox",), rb"\bxox[abeoprs]-(?:\d+-)*[A-Za-z0-9-]{10,}"),
    "an address of a Slack hook": ((b"hooks.slack.com/",), rb"hooks\.slack\.com/services/T\w+/B\w+/\w{16,}"),
    "a Stripe key": ((b"sk_live_", b"rk_live_"), rb"\b[sr]k_live_[A-Za-z0-9]{16,}"),
    "a Shopify token": ((b"shpat_", b"shpca_", b"shppa_", b"shpss_"), rb"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    "a HubSpot token": ((b"pat-na", b"pat-eu"), rb"\bpat-(?:na|eu)\d-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "an OpenAI key": ((b"sk-proj-", b"sk-ant-"), rb"\bsk-(?:proj|ant)-[\w-]{40,}"),
    "a PyPI token": ((b"pypi-AgE",), rb"\bpypi-AgE[\w-]{50,}"),
    "a Google API key": ((b"AIza",), rb"\bAIza[\w-]{35}(?![\w-])"),
    "a private key": ((b"PRIVATE KEY",), rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    "a JSON web token": ((b"eyJ",), rb"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}"),
    "a password in an address": ((b"://",), rb"://(?<=[a-z0-9+.-]{2}://)[\w.%+-]{1,64}:[^\s/@:\"'<>${}]{3,128}@[\w.-]+"),
}  # fmt: skip  # words by the line


def environment_secrets(environment: Mapping[str, str] = os.environ) -> dict[str, frozenset[bytes]]:
    """The secrets of the environment: by name of the variable, all spellings that a file may have."""
    known = {}
    for name, value in environment.items():
        secrets = {value} if _NAMES.search(name.upper()) and len(value) >= MIN_LENGTH and not _is_path(value) else set()
        if address := _ADDRESS.match(value):
            least = MIN_LENGTH_OF_MAIL if name == "RETENTION_KIT_SMTP_URL" else MIN_LENGTH
            secrets |= {password for password in (address[1], unquote(address[1])) if len(password) >= least}
        if name.startswith(_WEBHOOK) and len(path := value.partition("://")[2].partition("/")[2].strip()) >= MIN_LENGTH:
            secrets.add(path)
        if secrets:
            known[name] = frozenset(spelled for secret in secrets for spelled in _spellings(secret))
    return known


def leaks(content: bytes, known: Mapping[str, frozenset[bytes]]) -> Iterator[str]:
    """Descriptions of the secrets in a file, by variable or kind, never the secret itself."""
    for name, spellings in known.items():
        if any(spelling in content and _whole_word(spelling).search(content) for spelling in spellings):
            yield f"the secret of the environment variable {name}"
    for kind, (begins, shape) in PATTERNS.items():
        if any(begin in content for begin in begins) and re.search(shape, content):
            yield kind
    text = content.decode("latin-1")
    for kind, pattern, parts in _rules():
        if parts and not any(part in content for part in parts):
            continue
        # Without digits it is a name rather than a key.
        if any(re.search("[0-9]", match[0]) for match in pattern.finditer(text)):
            yield f"a secret of the kind {kind}"


@cache
def _rules() -> list[tuple[str, re.Pattern[str], tuple[bytes, ...]]]:
    """The rules of detect-secrets: the kind of a key, its pattern, and texts of which every key has one.

    They do not verify keys with a server.
    """
    from detect_secrets.plugins.base import RegexBasedDetector

    modules = [(import_module(f"detect_secrets.plugins.{name}"), parts) for name, parts in DETECTORS.items()]
    detectors = [
        (member(), parts)
        for module, parts in modules
        for member in vars(module).values()
        if isinstance(member, type) and issubclass(member, RegexBasedDetector) and member.__module__ == module.__name__
    ]
    return [
        (str(detector.secret_type), pattern, parts) for detector, parts in detectors for pattern in detector.denylist
    ]


def _spellings(secret: str) -> set[bytes]:
    texts = {secret, quote(secret, safe=""), html.escape(secret), json.dumps(secret)[1:-1]}
    return {text.encode("utf-8", "surrogateescape") for text in texts}


@cache
def _whole_word(secret: bytes) -> re.Pattern[bytes]:
    """A pattern of a secret that is not part of a longer word or number."""
    return re.compile(rb"(?<![A-Za-z0-9])" + re.escape(secret) + rb"(?![A-Za-z0-9])")


def _is_path(value: str) -> bool:
    """Whether a variable has the path of a file rather than a secret."""
    try:
        return Path(value).is_absolute() and Path(value).exists()
    except (OSError, ValueError):
        return False
