"""Direction of writing: what is isolated, and what is not."""

import pytest

from retention_kit import bidi
from retention_kit.bidi import EITHER, END, LTR, RTL


@pytest.mark.parametrize(
    ("text", "direction", "expected"),
    [
        ("Online (UK)", "rtl", f"{EITHER}Online (UK){END}"),  # else its bracket stands at the wrong end
        ("2011-12", "rtl", f"{LTR}2011-12{END}"),  # else 12-2011
        ("متجر", "rtl", "متجر"),
        ("متجر", "ltr", f"{EITHER}متجر{END}"),
        ("Zürich 1–2", "ltr", "Zürich 1–2"),
        (f"{LTR}+1.7{END}", "rtl", f"{LTR}+1.7{END}"),  # isolated already
        (f"a{END} \u202eb", "rtl", f"{EITHER}a b{END}"),  # a name ends no isolate, and turns nothing behind it
    ],
)
def test_what_runs_the_other_way_is_isolated(text, direction, expected):
    assert bidi.isolate(text, direction) == expected


@pytest.mark.parametrize(
    ("text", "direction", "is_isolated"),
    [
        ("not used enough", "rtl", True),
        ("متجر Online (UK)", "rtl", False),  # of the page, whatever else is in it
        (f"متجر {EITHER}Online{END}", "rtl", False),
        ("عميل (أ)", "ltr", True),
        ("Café", "ltr", False),
        ("–", "rtl", False),
    ],
)
def test_a_text_that_is_wholly_of_the_other_direction_stands_isolated(text, direction, is_isolated):
    assert (bidi.settle(text, direction) != text) == is_isolated
    assert bidi.plain(bidi.settle(text, direction)) == bidi.plain(text)


def test_a_text_that_is_cut_keeps_its_isolates_whole():
    text = f"{RTL}{LTR}23,944{END} £{END} من {EITHER}Sample Company{END}"
    for most in range(2, len(bidi.plain(text)) + 1):
        short = bidi.shorten(text, most, "rtl")
        assert len(bidi.plain(short)) <= most
        assert sum(short.count(mark) for mark in (LTR, RTL, EITHER)) == short.count(END)
    assert bidi.shorten(text, 100, "rtl") == text


def test_of_a_name_in_english_nothing_is_kept_that_turns_it():
    assert bidi.balanced(f"Acme \u202etxt.exe\u202c {LTR}gnp{END}", "ltr") == "Acme txt.exe gnp"
    assert bidi.balanced(f"by {EITHER}متجر{END}{END}", "ltr") == f"by {EITHER}متجر{END}"


def test_lines_of_plain_text_begin_from_right_to_left():
    text = f"متجر 12\n{LTR}+1.7{END} نقطة\n{LTR}+1.7{END}\n{EITHER}Example{END}: متجر\n\n-- \nhttps://example.com/a\n"
    lines = bidi.turn_lines(text).split("\n")
    assert [line[:1] == "\u200f" for line in lines] == [False, False, True, True, False, False, False, False]
    assert bidi.plain("\n".join(lines)) == bidi.plain(text)
