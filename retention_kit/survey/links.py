"""The links for customers."""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit

from retention_kit.errors import SettingsError
from retention_kit.survey.questions import SCALES

LONGEST = 170  # characters of a link: some programs break longer ones
_TOKEN = "x" * 32


def check_public_url(url: str) -> str:
    """The public address of the form without a final slash; raises SettingsError if it is invalid."""
    template = "--public-url {url!r} is no address of a form: write it like https://survey.example.com."
    wrong = SettingsError(template, url=url)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if not host or not re.fullmatch(r"[!-~]+", url) or parts.query or parts.fragment or parts.username:
        raise wrong
    if parts.scheme != "https" and not (parts.scheme == "http" and host in ("localhost", "127.0.0.1", "::1")):
        template = "--public-url {url!r} has to begin with https://: links are as good as a signature."
        raise SettingsError(template, url=url)
    url = url.rstrip("/")
    longest = max(len(make_link(url, _TOKEN, "ar", name, high)) for name, (_, high) in SCALES.items())
    if longest > LONGEST:
        template = (
            "--public-url is too long: links would have {longest} characters, and some mail programs break those "
            "of more than {most}."
        )
        raise SettingsError(template, longest=longest, most=LONGEST)
    return url


def make_link(url: str, token: str, language: str, name: str = "", score: int = 0) -> str:
    """The link of a token, with a preselected score if a survey is named."""
    preselected = {name: score} if name else {}
    return f"{url}/s/{token}?{urlencode({'lang': language, **preselected})}"
