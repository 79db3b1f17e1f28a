"""The chart of a service record: a small picture of hours by month and of the way to a star. Pure.

Knows no language and no tables: what is drawn comes in as words and numbers.
"""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.fonts import font_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

WIDTH, HEIGHT, DOTS_PER_INCH = 8.0, 5.0, 130
"""Inches."""
RED, SOFT, PAPER, INK, GREY = "#d8382f", "#f3dcd5", "#fffaf5", "#2b2320", "#8a7d76"


@dataclass(frozen=True, slots=True)
class Chart:
    """`months` are labels and hours, the present month last; `share` is the way to the next star
    from 0 to 1.
    """

    title: str
    total: str
    stars: int
    most_stars: int
    share: float
    next_star: str
    months: list[tuple[str, float]]


def draw(chart: Chart) -> bytes:
    """A PNG of 1040 x 650 pixels."""
    # Imported here, since it takes as long as all else together and many a start never draws.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DOTS_PER_INCH, facecolor=PAPER)
    _head(figure, chart)
    _stars(figure, chart)
    _way(figure, chart)
    _months(figure, chart)
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()


def letters(size: float) -> "FontProperties":
    from matplotlib.font_manager import FontProperties

    return FontProperties(fname=str(font_path()), size=size)


def _head(figure: "Figure", chart: Chart) -> None:
    for y, words, size, colour in (
        (0.90, chart.title, 15, GREY),
        (0.795, chart.total, 30, INK),
        (0.59, chart.next_star, 13, GREY),
    ):
        figure.text(0.06, y, words, fontproperties=letters(size), color=colour, va="center")


def _stars(figure: "Figure", chart: Chart) -> None:
    sky = figure.add_axes((0.60, 0.73, 0.34, 0.2))
    sky.set_axis_off()
    sky.set_xlim(-0.5, chart.most_stars - 0.5)
    places = range(chart.most_stars)
    colours = [RED if place < chart.stars else SOFT for place in places]
    sky.scatter(list(places), [0] * chart.most_stars, s=420, marker="*", c=colours)


def _way(figure: "Figure", chart: Chart) -> None:
    """The bar that fills on the way to the next star."""
    from matplotlib.patches import FancyBboxPatch

    way = figure.add_axes((0.06, 0.645, 0.88, 0.035))
    way.set_axis_off()
    way.set_xlim(0, 1)
    way.set_ylim(0, 1)
    round_ends = "round,pad=0,rounding_size=0.012"
    for width, colour in ((1.0, SOFT), (chart.share, RED)):
        if width > 0:
            shown = max(width, 0.025)
            way.add_patch(
                FancyBboxPatch((0, 0), shown, 1, round_ends, color=colour, lw=0, mutation_aspect=28)
            )


def _months(figure: "Figure", chart: Chart) -> None:
    axes = figure.add_axes((0.06, 0.12, 0.88, 0.38), facecolor=PAPER)
    values = [hours for _, hours in chart.months]
    bars = axes.bar(range(len(values)), values, width=0.62, color=RED)
    names = [f"{hours:.3g}" if hours else "" for hours in values]
    axes.bar_label(bars, names, padding=4, color=INK, fontproperties=letters(11))
    axes.set_xticks(range(len(values)), [label for label, _ in chart.months])
    for label in axes.get_xticklabels():
        label.set(fontproperties=letters(11), color=GREY)
    axes.set_yticks([])
    axes.set_ylim(0, max([*values, 1.0]) * 1.2)
    axes.tick_params(length=0)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(SOFT)
