"""Secrets that must leave in no file: those that this process has been given, and what looks like a key to anybody."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from urllib.parse import quote, unquote

# What an environment variable that holds one is called, and the least length that tells it from an ordinary word.
_NAMES = re.compile(
    r"(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|SECRET_?KEY|PRIVATE_?KEY|CREDENTIALS?)(_\d+)?$|_PASS(_\d+)?$"
)
LEAST, LEAST_OF_MAIL = 8, 5
RULES = Path(__file__).with_name("secret_rules.json")  # written by tools/secret_rules.py
_ADDRESS = re.compile(r"^[A-Za-z][\w+.-]*://[^/\s:@]*:(.+)@[^@/\s]+")
_BREAKS = bytes.maketrans(b"-", b"_")
# What the rules do not know, or tell by the words around it. Kind of key: how it begins, and all of it.
SHAPES = {
    "an AWS access key": ((b"AKIA", b"ASIA"), rb"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Za-z0-9])"),
    "an address of a Slack hook": ((b"hooks.slack.com/",), rb"hooks\.slack\.com/services/T\w+/B\w+/\w{16,}"),
    "a Google API key": ((b"AIza",), rb"\bAIza[\w-]{35}(?![\w-])"),
    "a private key": ((b"PRIVATE KEY",), rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    "a JSON web token": ((b"eyJ",), rb"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}"),
    "a password in an address": ((b"://",), rb"\b[a-z][a-z0-9+.-]{1,20}://[\w.%+-]{1,64}:[^\s/@:\"'<>${}]{3,128}@[\w.-]+"),
}  # fmt: skip


def given(environment: Mapping[str, str] = os.environ) -> dict[str, frozenset[bytes]]:
    """The secrets of the environment: the variable that has each → all the ways in which a file may spell it."""
    found = {}
    for name, value in environment.items():
        secrets = {value} if _NAMES.search(name.upper()) and len(value) >= LEAST and not _is_path(value) else set()
        if address := _ADDRESS.match(value):
            least = LEAST_OF_MAIL if name == "RETENTION_KIT_SMTP_URL" else LEAST
            secrets |= {one for one in (address[1], unquote(address[1])) if len(one) >= least}
        if secrets:
            found[name] = frozenset(spelled for one in secrets for spelled in _spellings(one))
    return found


def leaks(content: bytes, known: Mapping[str, frozenset[bytes]]) -> Iterator[str]:
    """What of secrets stands in a file: whose, or what kind, and never the secret itself."""
    for name, spellings in known.items():
        if any(one in content and _alone(one).search(content) for one in spellings):
            yield f"the secret of the environment variable {name}"
    for kind, (begins, shape) in SHAPES.items():
        if any(begin in content for begin in begins) and re.search(shape, content):
            yield kind
    yield from (f"a secret of the kind {kind}" for kind in _ruled(content))


def _ruled(content: bytes) -> Iterator[str]:
    """The rules that find something; a word of letters alone is a name rather than a secret."""
    lowered = content.lower()
    ends = {word[-3:] for word in lowered.translate(_BREAKS).split(b"_")}  # a look at each beginning takes longer
    for begin, (end, rules) in _rules().items():
        if (not end or end in ends) and begin in lowered:
            for kind, pattern in rules:
                if any(re.search(rb"\d", match[0]) for match in re.finditer(pattern, content)):
                    yield kind


@cache
def _rules() -> dict[bytes, tuple[bytes, list[tuple[str, bytes]]]]:
    """The kept rule set: how a secret begins, in small letters → three of these before a hyphen or _; its rules."""
    found: dict[bytes, tuple[bytes, list]] = {}
    for kind, rule in json.loads(RULES.read_text("utf-8"))["rules"].items():
        for begin in map(str.encode, rule["begins"]):
            end = re.search(rb"([a-z0-9]{3})[-_]", begin)
            found.setdefault(begin, (end[1] if end else b"", []))[1].append((kind, rule["pattern"].encode()))
    return found


def _spellings(secret: str) -> set[bytes]:
    texts = {secret, quote(secret, safe=""), html.escape(secret), json.dumps(secret)[1:-1]}
    return {text.encode("utf-8", "surrogateescape") for text in texts}


@cache
def _alone(secret: bytes) -> re.Pattern[bytes]:
    """Not in the middle of a longer word or number."""
    return re.compile(rb"(?<![A-Za-z0-9])" + re.escape(secret) + rb"(?![A-Za-z0-9])")


def _is_path(value: str) -> bool:
    """Whether a variable names the file of a secret, which is none."""
    try:
        return Path(value).is_absolute() and Path(value).exists()
    except (OSError, ValueError):
        return False
