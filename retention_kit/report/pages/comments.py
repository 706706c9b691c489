"""Blocks on customers' comments: the distinctive words of each group of answers, and examples."""

from __future__ import annotations

from datetime import timedelta

from retention_kit.metrics.comments.distinctive import Contrast
from retention_kit.metrics.comments.summary import SurveyComments, survey_comments
from retention_kit.metrics.insights import Claim
from retention_kit.metrics.queries.comments import window_of
from retention_kit.report.blocks import Block
from retention_kit.report.charts.base import join_items
from retention_kit.report.pages.later import GROUPS, LaterBlocks

MOST_WORDS, MOST_TITLE_WORDS = 8, 3  # of a group in the table and in the title


class CommentBlocks(LaterBlocks):
    """Blocks on customers' comments."""

    def claims(self) -> list[Claim]:
        """The claims of other blocks, and those that one group of answers uses a word more often."""
        claims = super().claims()
        for survey, comments in self._comments().items():
            is_pair = len(comments.groups) == 2  # both comparisons are the same
            for group, words in comments.contrasts.items():
                for contrast in words:
                    twin = (survey, contrast.word) if is_pair else None
                    value = _claim_value(survey, group, contrast)
                    claims.append(Claim(("comments",), "comments", "words", contrast.p, value=value, twin=twin))
        return claims

    def comments(self, survey: str) -> Block | None:
        """What customers who answered a survey (nps, csat or ces) wrote in the twelve months up to the period's end.

        The block `table`: a row for each group of answers, with the number of customers who wrote, its distinctive
        words, and a few comments in which names, addresses and numbers are masked. None with fewer comments than
        `comment_min_n`, or on a page of one segment value.
        """
        comments, least = self._comments().get(survey), self.data.settings.definitions.comment_min_n
        if comments is None or comments.read < least:
            return None
        words, text = self.words, self.words.text
        groups = [group for group in GROUPS[survey] if group in comments.groups]
        distinctive = {group: self._distinctive(survey, group, comments) for group in groups}
        rows = []
        for group in groups:
            customers, examples = comments.groups[group]
            count = words.value(customers, "count")
            if customers < least:
                rows.append([self._answer_label(survey, group), count, text("comments.few", least=least), ""])
                continue
            named = [
                text(
                    "comments.word",
                    word=self.words.isolate(comments.spellings[contrast.word]),
                    count=words.value(contrast.comments, "count"),
                )
                for contrast in distinctive[group][:MOST_WORDS]
            ]
            # From right to left, quotations that wrap within a line would be hard to tell apart.
            separator = "\n" if words.direction == "rtl" else " "
            quoted = separator.join(text("comments.quoted", text=example) for example in examples)
            rows.append(
                [self._answer_label(survey, group), count, words.listed(named) or text("comments.none"), quoted]
            )
        columns = [{"label": text(f"comments.{name}")} for name in ("group", "customers", "words", "examples")]
        columns[1]["align"] = "end"
        title, caption = self._comments_title(survey, distinctive, comments), self._comments_caption(survey, comments)
        return Block("table", title=title, columns=columns, rows=rows, caption=caption)

    def _comments(self) -> dict[str, SurveyComments]:
        return {} if self.only else survey_comments(self.data, self.period)

    def _distinctive(self, survey: str, group: str, comments: SurveyComments) -> list[Contrast]:
        """The words that a group uses significantly more than the others, also relative to the length of comments."""
        least, size = self.data.settings.definitions.comment_min_n, comments.groups[group].customers
        return [
            contrast
            for contrast in comments.contrasts.get(group, ())
            if contrast.comments >= least
            and contrast.z > 0
            and contrast.comments * (comments.read - size) > contrast.others * size
            and self.is_significant("comments", "words", value=_claim_value(survey, group, contrast))
        ]

    def _comments_title(self, survey: str, distinctive: dict[str, list[Contrast]], comments: SurveyComments) -> str:
        """The finding: the group with the most distinctive words, and these."""
        name, text = self.words.text(f"charts.answers.{survey}"), self.words.text
        contrasts_by_group = {group: contrasts for group, contrasts in distinctive.items() if contrasts}
        if not contrasts_by_group:
            return text("comments.title", survey=name)
        group, contrasts = max(contrasts_by_group.items(), key=lambda item: item[1][0].z)
        quoted = [
            text("comments.quoted", text=comments.spellings[contrast.word]) for contrast in contrasts[:MOST_TITLE_WORDS]
        ]
        label = text(f"comments.among.{group if survey == 'nps' else f'{group}_{survey}'}")
        key = "title_words" if len(quoted) > 1 else "title_word"
        return text(f"comments.{key}", survey=name, group=label, words=join_items(quoted, self.words))

    def _comments_caption(self, survey: str, comments: SurveyComments) -> str:
        """The number of comments and their dates; under the first table of the section also the method."""
        window, words = window_of(self.data, self.period), self.words
        texts = {
            "first": words.date(window.begins),
            "last": words.date(window.ends - timedelta(days=1)),
            "n": words.value(comments.written, "count"),
            "read": words.value(comments.read, "count"),
            "least": self.data.settings.definitions.comment_min_n,
        }
        keys = ["caption", "sampled"] if comments.read < comments.written else ["caption"]
        keys += ["rule"] if survey == next(group for group in GROUPS if group in self._comments()) else []
        return " ".join(words.text(f"comments.{key}", **texts) for key in keys)


def _claim_value(survey: str, group: str, contrast: Contrast) -> str:
    return f"{survey} {group} {contrast.word}"
