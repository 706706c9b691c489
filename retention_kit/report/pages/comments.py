"""What a page shows of what customers wrote: the words that set a group of answers apart, and a few comments."""

from __future__ import annotations

from datetime import timedelta

from retention_kit.metrics.comments.distinctive import Contrast
from retention_kit.metrics.comments.summary import SurveyComments, survey_comments
from retention_kit.metrics.insights import Claim
from retention_kit.metrics.queries.comments import window_of
from retention_kit.report.blocks import Block
from retention_kit.report.charts.base import join_items
from retention_kit.report.pages.later import GROUPS, LaterBlocks

SHOWN, NAMED = 8, 3  # words of a group in the table and in the title


class CommentBlocks(LaterBlocks):
    """What a page shows of what customers wrote."""

    def claims(self) -> list[Claim]:
        """Those of the other blocks, and that a word is written more by one group of answers."""
        found = super().claims()
        for survey, told in self._comments().items():
            is_pair = len(told.groups) == 2  # whose two comparisons are one
            for group, words in told.contrasts.items():
                for one in words:
                    twin = (survey, one.word) if is_pair else None
                    value = _claimed(survey, group, one)
                    found.append(Claim(("comments",), "comments", "words", one.p, value=value, twin=twin))
        return found

    def comments(self, survey: str) -> Block | None:
        """What customers who answered a survey (nps, csat or ces) wrote in the twelve months up to the period's end.

        The block `table`: a row for each group of answers, with how many wrote, the words that set it apart, and a few
        comments in which names, addresses and numbers are masked. None of fewer comments than `comment_min_n`, or where
        one segment value is looked at alone.
        """
        told, least = self._comments().get(survey), self.data.settings.definitions.comment_min_n
        if told is None or told.read < least:
            return None
        words, text = self.words, self.words.text
        groups = [group for group in GROUPS[survey] if group in told.groups]
        telling = {group: self._telling(survey, group, told) for group in groups}
        rows = []
        for group in groups:
            customers, examples = told.groups[group]
            count = words.value(customers, "count")
            if customers < least:
                rows.append([self._answer_label(survey, group), count, text("comments.few", least=least), ""])
                continue
            said = [
                text(
                    "comments.word",
                    word=self.words.isolate(told.spellings[one.word]),
                    count=words.value(one.comments, "count"),
                )
                for one in telling[group][:SHOWN]
            ]
            # A quotation that breaks within a line from right to left is hard to tell from the next.
            between = "\n" if words.direction == "rtl" else " "
            shown = between.join(text("comments.quoted", text=one) for one in examples)
            rows.append([self._answer_label(survey, group), count, words.listed(said) or text("comments.none"), shown])
        columns = [{"label": text(f"comments.{name}")} for name in ("group", "customers", "words", "examples")]
        columns[1]["align"] = "end"
        title = self._comments_title(survey, telling, told)
        return Block("table", title=title, columns=columns, rows=rows, caption=self._comments_caption(survey, told))

    def _comments(self) -> dict[str, SurveyComments]:
        return {} if self.only else survey_comments(self.data, self.period)

    def _telling(self, survey: str, group: str, told: SurveyComments) -> list[Contrast]:
        """The words that a group uses more than the others: by more than chance and longer comments explain."""
        least, size = self.data.settings.definitions.comment_min_n, told.groups[group].customers
        return [
            one
            for one in told.contrasts.get(group, ())
            if one.comments >= least
            and one.z > 0
            and one.comments * (told.read - size) > one.others * size
            and self.holds("comments", "words", value=_claimed(survey, group, one))
        ]

    def _comments_title(self, survey: str, telling: dict[str, list[Contrast]], told: SurveyComments) -> str:
        """The finding: the group with the most distinctive words, and these."""
        name, text = self.words.text(f"charts.answers.{survey}"), self.words.text
        found = {group: those for group, those in telling.items() if those}
        if not found:
            return text("comments.title", survey=name)
        group, those = max(found.items(), key=lambda item: item[1][0].z)
        said = [text("comments.quoted", text=told.spellings[one.word]) for one in those[:NAMED]]
        label = text(f"comments.among.{group if survey == 'nps' else f'{group}_{survey}'}")
        key = "title_words" if len(said) > 1 else "title_word"
        return text(f"comments.{key}", survey=name, group=label, words=join_items(said, self.words))

    def _comments_caption(self, survey: str, told: SurveyComments) -> str:
        """What was read, and under the first table of the section how."""
        window, words = window_of(self.data, self.period), self.words
        texts = {
            "first": words.date(window.begins),
            "last": words.date(window.ends - timedelta(days=1)),
            "n": words.value(told.written, "count"),
            "read": words.value(told.read, "count"),
            "least": self.data.settings.definitions.comment_min_n,
        }
        said = ["caption", "sampled"] if told.read < told.written else ["caption"]
        said += ["rule"] if survey == next(one for one in GROUPS if one in self._comments()) else []
        return " ".join(words.text(f"comments.{one}", **texts) for one in said)


def _claimed(survey: str, group: str, one: Contrast) -> str:
    return f"{survey} {group} {one.word}"
