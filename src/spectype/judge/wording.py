"""Scores as they stand in a page: a share, a difference of codes, a mean, with their intervals."""

from __future__ import annotations

import numpy as np

from spectype.draw.html import DASH, ends, estimate
from spectype.judge.metrics import CodeScore, Mean, Share


def share_text(value: Share) -> str:
    """A share with its interval; a dash without a trial."""
    return estimate(value.value, ends(value.low, value.high)) if value.n else DASH


def code_text(value: CodeScore) -> str:
    """A mean difference of codes with its interval; a dash without a pair."""
    if not value.n:
        return DASH
    interval = ends(value.low, value.high) if np.isfinite(value.low) else "one star"
    return estimate(value.mean_abs, interval, ".2f")


def mean_text(value: Mean) -> str:
    """A mean with the ends of its interval."""
    mean, low, high = value
    return estimate(mean, ends(low, high))


def percent(share: float) -> str:
    """A share, however small, with two digits that count.

    >>> percent(0.000059), percent(0.123), percent(0.0)
    ('0.0059 %', '12 %', '0 %')
    """
    return f"{np.format_float_positional(100 * share, precision=2, fractional=False, trim='-')} %"


def interval(value: Share) -> str:
    """The interval of a share."""
    return ends(value.low, value.high, ".3f")
