"""`[[follow_ups]]` in the settings: the forms of `when`, and every mistake as one sentence that says where it is."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retention_kit.errors import SettingsError
from retention_kit.settings import make_settings
from retention_kit.settings.follow_ups import fill_text
from retention_kit.settings.when import FORMS, When, parse_when

FIRST = "7 days after first purchase"


@pytest.mark.parametrize("form", FORMS)
def test_every_form_that_errors_offer_is_one(form):
    assert parse_when(form, "when").hours > 0
    assert parse_when(f"  {form.upper()}\n", "when") == parse_when(form, "when")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a week after their first order", When("purchase", 168, ordinal="first")),
        ("2 weeks after the last purchase", When("purchase", 336)),
        ("one day after an order", When("purchase", 24)),
        ("0 days after first purchase", When("purchase", 0, ordinal="first")),
        ("no purchases in 60 days", When("silent", 1440)),
        ("detractors within 48 hours", When("score", 48, True, survey="nps", comparison=("<=", 6), group="detractor")),
        ("NPS at  most 4 within a week", When("score", 168, survey="nps", comparison=("<=", 4))),
        ("ces<3 within 1 day", When("score", 24, survey="ces", comparison=("<", 3))),
        ("ticket open for 2 days", When("ticket", 48)),
        ("renewal in 4 weeks at risk", When("renewal", 672, at_risk=True)),
        ("30 days after cancelling", When("leaving", 720)),
    ],
)
def test_forms_as_people_write_them(text, expected):
    assert parse_when(text, "when") == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7 dayz after first purchase", f"is not understood at 'dayz' (character 3): did you mean '{FIRST}'?"),
        ("ticket open 48 hors", "at 'hors' (character 16): did you mean 'ticket open 48 hours'?"),
        ("7 days after the third purchase", f"at 'third' (character 18): did you mean '{FIRST}'?"),
        ("12 months after first purchase", "at 'months' (character 4)"),
        ("renewal in 30 days and happy", "at 'and' (character 20): did you mean 'renewal in 30 days and at risk'?"),
        ("7 days after first purchase; DROP TABLE x", "at ';' (character 28)"),
        ("7 days", "ends too early, after '7 days' (character 7)"),
        ("", "is empty: write it like"),
        ("0 days of silence", "at 'of' (character 8)"),
        ("ticket open 0 hours", "needs a span of at least one"),
        ("nps above 10 within 2 days", "is of nobody: NPS runs from 0 to 10."),
        ("ces below 1 within 2 days", "is of nobody: CES runs from 1 to 7."),
        ("9999 weeks after any purchase", "looks 69,993 days away: 3,660 are the most."),
        ("7 days after first purchase" + " " * 200, "has 227 characters, more than 200"),
    ],
)
def test_mistakes_are_told_at_their_place_with_the_nearest_form(text, message):
    with pytest.raises(SettingsError) as error:
        parse_when(text, "follow_ups.x.when")
    assert message in str(error.value)
    assert str(error.value).startswith("follow_ups.x.when")


WORDS = (
    "7 days day week hours after before first second any purchase no for in within open ticket renewal at risk and < 0"
)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(WORDS.split()), max_size=8).map(" ".join) | st.text(max_size=40))
def test_no_text_does_anything_but_be_read_or_refused(text):
    with suppress(SettingsError):
        parse_when(text, "when")


def rule(**changes):
    return make_settings({"follow_ups": [{"name": "Thank", "when": FIRST} | changes]}).follow_ups[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "..."}, "number 1 needs a name"),
        ({"name": "a\nb"}, "number 1 needs a name"),
        ({"when": "detractor within 2 days", "due_within": 3}, "due_within is said by when"),
        ({"text": "Hello {"}, "has a single '{'"),
        ({"text": "Hello {}"}, "{} names nothing"),
        ({"text": "Hello {{name}}"}, "has a single '{'"),
        ({"text": "Write to {contact}"}, "say which column it is"),
        ({"then": ["mail:ann@example.com"]}, "cannot be 'mail:ann@example.com': choose from list, ics, webhook:NAME, "),
        ({"then": ["webhook:"]}, "a NAME has letters, digits and _"),
        ({"suppress": "status="}, 'write a column, or "column=value"'),
        ({"consent": " "}, "consent is empty"),
        ({"control": 1}, "control"),
        ({"owner": "ann@"}, "owner"),
        ({"quietdays": 3}, "did you mean 'quiet_days'?"),
    ],
)
def test_impossible_values_are_one_sentence(changes, message):
    with pytest.raises(SettingsError) as error:
        rule(**changes)
    assert message in str(error.value)


def test_two_lists_never_share_a_file():
    rules = [{"name": name, "when": FIRST} for name in ("Thank & ask", "thank ask")]
    with pytest.raises(SettingsError, match=r"'Thank & ask' and 'thank ask' would write one file, thank-ask.csv"):
        make_settings({"follow_ups": rules})


def test_names_of_any_script_give_files_that_stay_in_their_folder():
    assert rule(name="../../etc/passwd").file == "etc-passwd"
    assert rule(name="شكراً لك").file.startswith("شكر")


def test_braces_in_a_value_stay_as_they_are():
    text = "{first_name}, {reason}"
    assert rule(text=text).merged == ["first_name"]
    assert fill_text(text, {"first_name": "{reason}", "reason": "{x.__class__}"}) == "{reason}, {x.__class__}"
