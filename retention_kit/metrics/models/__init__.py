"""Lifetime models of purchases, their value, renewals and survival.

Small code of our own on numpy; scipy is imported when a model is fitted. Formulas: Fader, Hardie and Lee (2005), Fader
and Hardie (2007, 2010, 2013). A model that cannot be fitted raises `retention_kit.errors.ModelError`; one that
should not be relied on has `.warnings`.
"""

from retention_kit.metrics.models.bg_nbd import BgNbd, fit_bg_nbd
from retention_kit.metrics.models.gamma_gamma import GammaGamma, fit_gamma_gamma
from retention_kit.metrics.models.shifted_beta_geometric import ShiftedBetaGeometric, fit_sbg, fit_sbg_renewals
from retention_kit.metrics.models.survival import kaplan_meier, log_rank

__all__ = [
    "BgNbd", "GammaGamma", "ShiftedBetaGeometric", "fit_bg_nbd", "fit_gamma_gamma", "fit_sbg", "fit_sbg_renewals",
    "kaplan_meier", "log_rank",
]  # fmt: skip  # words by the line
