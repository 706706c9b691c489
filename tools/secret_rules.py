"""Write `retention_kit/report/secret_rules.json`: what of a kept rule set the gate asks of every file (`make secrets`).

Taken are the rules of high confidence whose secrets begin with letters that no digest, picture or font in Base64 has:
those are told apart from everything else in a report without a look at the words around them.
"""

from __future__ import annotations

import json
import re
from importlib.metadata import files, version
from pathlib import Path
from re import _constants as kinds
from re import _parser as parser

from kingfisher_sdk import Rules

PATH = Path(__file__).parents[1] / "retention_kit" / "report" / "secret_rules.json"
PACKAGE = "kingfisher-secret-scanner"
_END = r"""(?:\\?['"\x60]|[\s;]|\\[nr]|$)"""  # of a value in source code; in ours a comma or a tag may follow as well
_WIDE = re.compile(r"\\s|\[ \\t|\(\.")  # asks for words around the secret
_BEFORE = {kinds.AT, kinds.ASSERT, kinds.ASSERT_NOT}  # which match nothing


def main() -> None:
    rules = Rules(confidence="high", cache=False)
    told = {
        rule["id"]: _pattern(rules.detail(rule["id"])["detection_regex"])
        for rule in rules.metadata()
        if rule["visible"]
    }
    kept = {}
    for name, pattern in sorted(told.items()):
        begins = {one.lower() for one in _begins(parser.parse(pattern))[0]}
        if not _WIDE.search(pattern) and all(len(one) >= 4 and re.search(r"[^a-z0-9+/=]", one) for one in begins):
            kept[name.removeprefix("betterleaks.")] = {"begins": sorted(begins), "pattern": pattern}
    said = {"source": f"Betterleaks, as in {PACKAGE} {version(PACKAGE)}", "licence": _licence(), "rules": kept}
    PATH.write_text(json.dumps(said, indent=1) + "\n", "utf-8")
    print(f"{len(kept)} of {len(told)} rules")


def _pattern(pattern: str) -> str:
    """As Python writes it: flags stand first."""
    pattern = pattern.replace(_END, "(?![A-Za-z0-9])").replace(r"\z", r"\Z").replace("[[:alnum:]]", "[A-Za-z0-9]")
    flags = "(?i)" if "(?i)" in pattern else ""
    return flags + pattern.replace("(?i)", "")


def _begins(parsed: parser.SubPattern) -> tuple[set[str], bool]:
    """The letters that whatever a pattern matches begins with, and whether they are all of it."""
    found = {""}
    for kind, what in parsed:
        if kind is kinds.LITERAL:
            more, is_all = {chr(what)}, True
        elif kind is kinds.SUBPATTERN:
            more, is_all = _begins(what[3])
        elif kind is kinds.BRANCH:
            each = [_begins(one) for one in what[1]]
            more, is_all = set().union(*(some for some, _ in each)), all(is_all for _, is_all in each)
        elif kind is kinds.IN and len(what) < 5 and all(one is kinds.LITERAL for one, _ in what):
            more, is_all = {chr(letter) for _, letter in what}, True
        elif kind is kinds.MAX_REPEAT and what[0] > 0:
            more, is_all = _begins(what[2])[0], False
        elif kind in _BEFORE:
            continue
        else:
            return found, False
        found = {one + another for one in found for another in more}
        if not is_all:
            return found, False
    return found, True


def _licence() -> str:
    (notice,) = [one for one in files(PACKAGE) or () if one.name == "NOTICE" and one.parent.name == "licenses"]
    text = notice.read_text("utf-8")
    return text[text.index("\nBetterleaks\n") + 1 :].strip()


if __name__ == "__main__":
    main()
