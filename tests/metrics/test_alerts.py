"""Conditions of alerts: what they say, where they are wrong, and that they hold only where it is certain."""

import re
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import retention_kit as rk
from retention_kit.errors import SettingsError
from retention_kit.metrics.alerts.conditions import rules
from retention_kit.metrics.alerts.evaluate import Point, evaluate
from retention_kit.metrics.alerts.language import FUNCTIONS, canonical, parse
from retention_kit.periods import Period
from retention_kit.settings import make_settings
from retention_kit.settings.alerts import MOST_CHARACTERS, TARGETS, Alert

MARCH = Period.parse("2026-03")


def rule(when: str, **keys):
    """The one rule of settings with this condition."""
    return rules(make_settings({"alerts": [{"name": "A", "when": when, **keys}], "goals": {"refunds": {"target": 9}}}))[
        0
    ]


def holds(when: str, *, certain: bool = True, wider: float = 1.0, **figures) -> bool | None:
    """What a condition says in March; figures are points of March, or the points up to March."""
    points = {
        name: {
            MARCH.index - back: point
            for back, point in enumerate(reversed(values if type(values) is list else [values]))
        }
        for name, values in figures.items()
    }
    return evaluate(rule(when).when, points, MARCH, certain=certain, wider=wider).holds


CHURN = Point(0.06, 0.04, 0.08, unit="fraction")


@pytest.mark.parametrize(
    ("when", "plain", "certain"),
    [
        ("customer_churn_rate > 5%", True, False),
        ("customer_churn_rate > 3.9%", True, True),
        ("customer_churn_rate > 0.06", False, False),  # equal is not above
        ("customer_churn_rate >= 6%", True, False),
        ("not customer_churn_rate > 7%", True, False),
        ("not customer_churn_rate > 8%", True, True),  # wholly at or below
        ("not (not customer_churn_rate > 3%)", True, True),
        ("not (customer_churn_rate > 3% and customer_churn_rate > 9%)", True, True),
        ("customer_churn_rate > 5% or customer_churn_rate <= 5%", True, False),
        ("customer_churn_rate = 6%", True, False),
        ("customer_churn_rate != 9%", True, True),
        ("low(customer_churn_rate) = 4%", True, True),
        ("high(customer_churn_rate) > 8%", False, False),
        ("5% < customer_churn_rate", True, False),
        ("2 * customer_churn_rate > 7%", True, True),
    ],
)
def test_a_comparison_holds_and_is_certain_where_the_interval_leaves_out_the_threshold(when, plain, certain):
    assert holds(when, certain=False, customer_churn_rate=CHURN) is plain
    assert holds(when, customer_churn_rate=CHURN) is certain


def test_what_is_compared_with_many_needs_more():
    assert holds("customer_churn_rate > 3.9%", customer_churn_rate=CHURN)
    assert not holds("customer_churn_rate > 3.9%", wider=1.5, customer_churn_rate=CHURN)


def test_sums_and_counts_are_taken_as_they_are_and_means_of_few_are_certain_of_nothing():
    assert holds("lost_customers > 4", lost_customers=Point(5))
    assert not holds("average_purchase_value > 4", average_purchase_value=Point(5, is_of_few=True))
    assert holds("average_purchase_value > 4", certain=False, average_purchase_value=Point(5, is_of_few=True))


def test_what_is_equal_but_for_binary_rounding_is_equal():
    changed = Point(0.3, change=0.3 - 0.25)
    assert not holds("change(customer_churn_rate) < 5%", customer_churn_rate=changed)
    assert holds("change(customer_churn_rate) = 5%", customer_churn_rate=changed)


UNKNOWN = Point(None, note="Nobody.")


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("mrr > 1", None),
        ("not mrr > 1", None),
        ("mrr > 1 and lost_customers > 4", None),
        ("mrr > 1 and lost_customers > 9", False),
        ("mrr > 1 or lost_customers > 4", True),
        ("mrr > 1 or lost_customers > 9", None),
        ("not (mrr > 1 or lost_customers > 4)", False),
        ("previous(lost_customers) > 1", None),
        ("change(lost_customers) > 1", None),
        ("usual(lost_customers) > 1", None),
        ("year_ago(lost_customers) > 1", None),
        ("goal(refunds) > 1", None),
    ],
)
def test_no_data_is_neither_true_nor_false(when, expected):
    assert holds(when, mrr=UNKNOWN, lost_customers=Point(5), refunds=Point(5)) is expected


def test_functions_look_at_other_periods():
    values = [3, 9, 1, 2, *[4] * 10, 20, 30, 40]  # the last is March
    points = [Point(value, change=value - before) for before, value in zip([0, *values], values, strict=False)]
    assert holds("previous(lost_customers) = 30 and change(lost_customers) = 10", lost_customers=points)
    assert holds("year_ago(lost_customers) = 4 and usual(lost_customers) = 4", lost_customers=points)
    assert holds("lost_customers > 9 * usual(lost_customers)", lost_customers=points)
    assert holds("goal(refunds) = 9", refunds=Point(1, target=9))


def test_a_figure_against_the_period_before_is_its_change_and_against_another_needs_apart_intervals():
    now = replace(CHURN, change=0.02, change_low=0.01, change_high=0.03)
    before = Point(0.04, 0.02, 0.06)
    assert holds("customer_churn_rate > previous(customer_churn_rate)", customer_churn_rate=[before, now])
    assert holds("previous(customer_churn_rate) < customer_churn_rate", customer_churn_rate=[before, now])
    now = replace(now, change_low=-0.01)
    assert not holds("customer_churn_rate > previous(customer_churn_rate)", customer_churn_rate=[before, now])
    assert not holds(
        "customer_churn_rate > repeat_purchase_rate", customer_churn_rate=CHURN, repeat_purchase_rate=before
    )


# Random conditions, evaluated a second time by dicts and `all` and `any`.

COUNTS = ("lost_customers", "new_customers", "active_customers")
SIGNS = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
sides = st.tuples(st.sampled_from(COUNTS), st.sampled_from(list(SIGNS)), st.integers(-5, 5) | st.sampled_from(COUNTS))
conditions = st.recursive(
    sides,
    lambda inner: (
        st.tuples(st.just("not"), inner)
        | st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3))
    ),
    max_leaves=6,
)


def formula(condition) -> str:
    match condition:
        case ("not", part):
            return f"NOT({formula(part)})"
        case ("and" | "or" as word, parts):
            return f" {word} ".join(f"({formula(part)})" for part in parts)
        case (left, sign, right):
            return f"{left}{sign} {right}"


def expected(condition, values) -> bool | None:
    match condition:
        case ("not", part):
            result = expected(part, values)
            return None if result is None else not result
        case ("and" | "or" as word, parts):
            result = {expected(part, values) for part in parts}
            first = word == "or"
            return first if first in result else None if None in result else not first
        case (left, sign, right):
            a, b = values[left], values.get(right) if isinstance(right, str) else right
            return None if a is None or b is None else SIGNS[sign](a, b)


@given(conditions, st.fixed_dictionaries(dict.fromkeys(COUNTS, st.none() | st.integers(-6, 6))))
def test_random_conditions_say_what_a_second_evaluator_does(condition, values):
    text = formula(condition)
    assume(len(text) <= MOST_CHARACTERS)
    figures = {name: Point(value) for name, value in values.items()}
    assert holds(text, certain=False, **figures) is expected(condition, values)
    assert parse(canonical(parse(text))) is not None


@given(conditions, st.fixed_dictionaries(dict.fromkeys(COUNTS, st.tuples(*[st.integers(-6, 6)] * 3))), st.data())
def test_what_is_certain_holds_wherever_in_their_intervals_the_figures_are(condition, intervals, data):
    text = formula(condition)
    assume(len(text) <= MOST_CHARACTERS)
    triples = {name: sorted(three) for name, three in intervals.items()}
    figures = {name: Point(value, low, high) for name, (low, value, high) in triples.items()}
    if holds(text, **figures):
        values = {name: data.draw(st.integers(low, high)) for name, (low, _, high) in triples.items()}
        same = {word for word in COUNTS if re.search(rf"{word}\S* {word}", text)}
        assume(not same)  # a figure against itself has a difference of zero, not two draws
        assert expected(condition, values) is True


# Errors: one sentence that names the place.


@pytest.mark.parametrize(
    ("when", "at", "message"),
    [
        ("customer_chrn_rate > 5%", 1, "no metric 'customer_chrn_rate': did you mean 'customer_churn_rate'"),
        ("mrr > 1 or chnge(mrr) < 3", 12, "no function 'chnge': did you mean 'change'"),
        ("mrr > 1 or nosuch < 3", 12, "no metric"),  # also where the first part holds
        ("customer_churn_rate > 5", 23, "write 5% or 0.05"),
        ("customer_churn_rate > 120%", 23, "never 1.2"),
        ("change(customer_churn_rate) < -150%", 31, "a change of a rate"),
        ("mrr > 5%", 7, "money, not a per cent: write a number"),
        ("change(revenue) < -10%", 19, "a number such as 1250.50, or revenue < 0.9 * previous(revenue)"),
        ("net_promoter_score > 120", 22, "between -100 and 100"),
        ("mrr > customer_churn_rate", 7, "mrr is money and customer_churn_rate a rate"),
        ("goal(mrr) > 5", 6, "no goal"),
        ("change > 5", 1, "write change(METRIC)"),
        ("mrr == 5", 5, "write ="),
        ("mrr ≥ 5", 5, "write >="),
        ("mrr > 1,000", 8, "nothing between thousands"),
        ("mrr > ٥", 7, "stands where a number or a metric is expected"),
        ("mrr >", 6, "ends where a number or a metric is missing"),
        ("mrr > 5 adn mrr < 9", 9, "did you mean 'and'?"),
        ("mrr > 5; import os", 8, "';' stands where"),
        ("mrr) or (1=1", 4, "')' stands where"),
        ("1 < mrr < 3", 9, "'<' stands where"),
        ("5 > 3", 1, "two numbers"),
        ("-2 * mrr > 3", 1, "above 0"),
        ("mrr > " + "9" * 400, 7, "too large"),
        ("(" * 40 + "mrr > 1" + ")" * 40, 22, "deeper than 20"),
        ("not " * 40 + "mrr > 1", 85, "deeper than 20"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_its_place(when, at, message):
    with pytest.raises(SettingsError) as error:
        rule(when)
    assert re.fullmatch(rf"alerts\.A\.when: at character {at}, .*[.?]", str(error.value), re.DOTALL)
    assert message in str(error.value)


words = st.sampled_from(
    [
        *COUNTS,
        *FUNCTIONS,
        "customer_churn_rate",
        "and",
        "or",
        "not",
        "(",
        ")",
        ">",
        "<=",
        "=",
        "5",
        "5%",
        ".5",
        "-",
        "*",
        ",",
        " ",
    ]
)
texts = st.text(max_size=60) | st.lists(words, max_size=25).map(" ".join) | st.lists(words, max_size=25).map("".join)


@given(texts)
def test_random_text_is_a_condition_or_an_error_with_its_place(text):
    try:
        condition = rule(text).when
    except SettingsError as error:
        at = re.match(r"alerts\.A\.when: at character (\d+), ", str(error))
        assert (1 <= int(at[1]) <= len(text) + 1) if at else not text.strip() or len(text) > MOST_CHARACTERS
    else:
        assert canonical(parse(canonical(condition))) == canonical(condition)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("when", " ", "alerts.A.when is empty"),
        ("when", "mrr > 1 " + "or mrr > 1 " * 60, "more than 500"),
        ("reset", "mrr <", "alerts.A.reset: at character 6"),
        ("name", "", "number 1 needs a name"),
        ("for", 0, "for"),
        ("each", "", "each is empty"),
        ("segment", "France", "country=France"),
        ("owner", "a@b@c", "alerts.A.owner"),
        ("then", ["mail:nobody"], "alerts.A.then: 'nobody' is no email address"),
        ("then", ["webhook:a b"], "letters, digits and _"),
        ("then", ["lists"], "did you mean 'list'"),
        ("evry", "week", "did you mean 'every'"),
        ("every", "weak", "did you mean 'week'"),
    ],
)
def test_keys_are_checked(key, value, message):
    with pytest.raises(SettingsError, match=re.escape(message)):
        rules(make_settings({"alerts": [{"name": "A", "when": "mrr > 1", key: value}]}))


def test_one_bracket_for_two_is_told():
    with pytest.raises(SettingsError, match=re.escape("alerts: write it in double brackets, [[alerts]].")):
        make_settings({"alerts": {"name": "A", "when": "mrr > 1"}})


def test_two_of_one_name_and_two_kinds_of_segment_are_refused():
    rule = {"name": "A", "when": "mrr > 1"}
    with pytest.raises(SettingsError, match="two are called 'A'"):
        make_settings({"alerts": [rule, rule]})
    with pytest.raises(SettingsError, match="each and segment"):
        make_settings({"alerts": [rule | {"each": "plan", "segment": "plan=Pro"}]})


def test_a_rule_is_the_same_under_another_name_and_another_spelling():
    first = rule("mrr>5 and (net_revenue<2)", then=["notice"]).digest
    assert rules(make_settings({"alerts": [{"name": "B", "when": "mrr > 5.0 AND net_revenue < 2"}]}))[0].digest == first
    changed = [rule("mrr > 6 and net_revenue < 2"), rule("mrr > 5 and net_revenue < 2", **{"for": 2})]
    assert len({first, *(alert.digest for alert in changed)}) == 3


def test_a_wrong_name_is_told_whatever_one_asks_for():
    data = rk.sample(as_of=date(2023, 6, 1))
    data.settings.alerts.append(Alert(name="A", when="mrr > 1 or nosuch > 2"))
    with pytest.raises(SettingsError, match="character 12"):
        rk.scorecard(data, metrics=["mrr"])


def test_every_target_of_the_settings_is_taken():
    then = [target.replace("ADDRESS", "a@example.com").replace("NAME", "team") for target in TARGETS]
    assert rule("mrr > 1", then=then).alert.then == then
