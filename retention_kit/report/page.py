"""A page of the report: what the templates call. Every method gives one block, several, or none where there is nothing
to show.
"""

from __future__ import annotations

from retention_kit.metrics.catalogue import METRICS
from retention_kit.report.blocks import Block
from retention_kit.report.pages.alerts import AlertBlocks
from retention_kit.report.pages.at_risk import RiskBlocks
from retention_kit.report.pages.attention import MOST_ITEMS
from retention_kit.report.pages.context import Blocks
from retention_kit.report.pages.customers import CustomerBlocks
from retention_kit.report.pages.follow_ups import FollowUpBlocks
from retention_kit.report.pages.mrr import MrrBlocks
from retention_kit.report.pages.surveys import SurveyBlocks
from retention_kit.report.pages.survival import SurvivalBlocks
from retention_kit.report.pages.value_groups import ValueGroupBlocks
from retention_kit.report.pages.why import WhyBlocks


class Page(
    FollowUpBlocks,
    CustomerBlocks,
    MrrBlocks,
    SurveyBlocks,
    SurvivalBlocks,
    WhyBlocks,
    ValueGroupBlocks,
    RiskBlocks,
    AlertBlocks,
):
    """One period of one dataset in one language, as the templates show it; parameters as in `Context`.

    Every method that a template calls gives one block, a list of blocks, or None where there is nothing to show.
    Raises PeriodError for a period outside the data, UnknownNameError for an unknown segment, DataError or
    SettingsError where the data cannot be loaded.
    """

    def brief(self) -> Blocks:
        """What one page holds: the finding, the key figures, what needs attention and who is listed, the goals, a
        trend.
        """
        leading = self.leading()
        trend = None if leading is None else self.trend(leading.metric)
        drawn = trend if trend is not None and trend.kind == "chart" else None
        goals = self.goal_bars(MOST_ITEMS, brief=True)
        parts = self.headline(), self.cards(), self.attention(MOST_ITEMS), goals, self.lists(), drawn
        return Blocks(filter(None, parts))

    def heading(self, name: str) -> Block:
        """The title of a section, or of a metric's own page.

        `name` is a section or a metric; a section of an analyst's own is called as its file is, with spaces for
        underscores.
        """
        try:
            text = self.words.say(METRICS[name].label) if name in METRICS else self.words.text(f"sections.{name}")
        except KeyError:
            text = name.replace("_", " ").capitalize()
        return Block("heading", level=2, text=text, id=name.replace("_", "-"))
