"""Secrets are known by a kept rule set: each rule finds what it describes wherever a pack may hold it, and nothing
else.
"""

from __future__ import annotations

import base64
import hashlib
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention_kit.report.checks import secrets as secret_checks

RULES = {f"{kind} {number}": (kind, pattern) for number, (kind, pattern, _) in enumerate(secret_checks._rules())}
AROUND = ["customer_id,orders\n{},3\n", "<p>Ask {}</p>", '{{"source": "key = \\"{}\\"\\n"}}', "name: {}"]


@pytest.mark.parametrize("name", RULES)
def test_each_rule_finds_what_it_describes(name):
    kind, pattern = RULES[name]

    @settings(max_examples=3)
    @given(
        st.from_regex(pattern, fullmatch=True, alphabet=st.characters(max_codepoint=126)),
        st.sampled_from(AROUND),
    )
    def inspect(secret, around):
        if re.search("[0-9]", secret):
            assert f"a secret of the kind {kind}" in [*secret_checks.leaks(around.format(secret).encode(), {})]

    inspect()


@pytest.mark.parametrize(("kind", "pattern", "parts"), secret_checks._rules(), ids=RULES)
def test_each_key_has_a_part_that_is_looked_for_first(kind, pattern, parts):

    @settings(max_examples=40)
    @given(st.from_regex(pattern, fullmatch=True))
    def holds(secret):
        assert not parts or any(part in secret.encode("utf-8", "surrogatepass") for part in parts), kind

    holds()


@pytest.mark.parametrize(
    "write",
    [
        lambda content: content,
        base64.b64encode,
        lambda content: content.hex().encode(),
        lambda content: b"\n".join(
            hashlib.sha256(content[at : at + 9]).hexdigest().encode() for at in range(0, 9_000, 9)
        ),
    ],
    ids=["bytes", "Base64", "hex", "digests"],
)
def test_pictures_fonts_and_digests_hold_no_secret(write):
    assert [*secret_checks.leaks(write(random.Random(17).randbytes(400_000)), {})] == []


@pytest.mark.parametrize(
    "name",
    [
        "lip_gloss_and_balm_of_summer",
        "prf_professional_line_items",
        "sk_live_without_any_figures",
        "ion_" + "x" * 42,
        "skills_test_2025",
        "tooltip_retention_rate_2025_12",
        "pat.pending.2025",
        "https://example.com/reports/2025-12",
    ],
)
def test_names_are_no_secrets(name):
    assert [*secret_checks.leaks(f"segment,{name},12\n".encode(), {})] == []


def test_the_address_of_a_webhook_is_a_secret():
    known = secret_checks.environment_secrets(
        {"RETENTION_KIT_WEBHOOK_CRM": "https://crm.example.com/in/9f8e7d6c?sig=a%2Fb\n"}
    )
    expected = ["the secret of the environment variable RETENTION_KIT_WEBHOOK_CRM"]
    assert [*secret_checks.leaks(b"post it to https://crm.example.com/in/9f8e7d6c?sig=a%2Fb", known)] == expected
    assert [*secret_checks.leaks(b"see https://crm.example.com/in/", known)] == []
