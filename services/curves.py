"""The response curve of a call-out: how many had said yes, how many were there, by minute. Pure.

Knows no language and no tables: what is drawn comes in as words and numbers.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.charts import DOTS_PER_INCH, GREY, INK, PAPER, RED, SOFT, letters

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 8.0, 4.5
"""Inches."""
SHORTEST = 10.0
"""Minutes that the axis spans at least."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Minutes since the launch, sorted, and the words beside them."""

    said_yes: Sequence[float]
    arrived: Sequence[float]
    quota: int
    yes_word: str
    there_word: str
    quota_word: str
    minutes_word: str


def draw(picture: Picture) -> bytes:
    """A PNG of 1040 x 585 pixels."""
    # Imported here, since it takes as long as all else together and many a start never draws.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DOTS_PER_INCH, facecolor=PAPER)
    axes = figure.add_axes((0.08, 0.14, 0.88, 0.74), facecolor=PAPER)
    last = max([*picture.said_yes, *picture.arrived, SHORTEST]) * 1.05
    axes.axhline(picture.quota, color=GREY, lw=1, ls="--", label=picture.quota_word)
    _steps(axes, picture.said_yes, last, SOFT, picture.yes_word)
    _steps(axes, picture.arrived, last, RED, picture.there_word)
    axes.set_xlim(0, last)
    axes.set_ylim(0, max(picture.quota, len(picture.said_yes), 1) * 1.15)
    axes.set_xlabel(picture.minutes_word, fontproperties=letters(11), color=GREY)
    axes.tick_params(length=0, colors=GREY)
    axes.legend(prop=letters(11), loc="upper left", frameon=False, labelcolor=INK)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(SOFT)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def _steps(axes: "Axes", minutes: Sequence[float], last: float, colour: str, word: str) -> None:
    heights = range(len(minutes) + 1)
    axes.fill_between([0.0, *minutes, last], [*heights, len(minutes)], step="post", color=colour,
                      alpha=0.75, label=word)  # fmt: skip
