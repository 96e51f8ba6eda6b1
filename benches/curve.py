"""A line chart as SVG, without a background, in colours that can be read on white and on black."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

COLOURS = ("#4477AA", "#EE6677", "#228833")  # Paul Tol's "bright" scheme: https://personal.sron.nl/~pault/
INK = "#808080"
STYLE: Any = {
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.labelcolor": "linecolor",
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "lanner",  # the same figures give the same bytes
}


def chart(
    lines: Mapping[str, Sequence[tuple[float, float]]], level: tuple[str, float], *, across: str, height: str
) -> str:
    """Lines over axes that begin at 0; the vertical one ends at 1.

    Args:
        lines: up to three, by name.
        level: a dashed horizontal line, and its name.
        across, height: what the axes are.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for (name, points), colour in zip(lines.items(), COLOURS, strict=False):
            axes.plot(*zip(*points, strict=True), marker="o", markersize=4, color=colour, label=name)
        axes.axhline(level[1], color=INK, linestyle="--", linewidth=1, label=level[0])
        axes.set(xlim=(0, None), ylim=(0, 1), xlabel=across, ylabel=height)
        axes.grid(axis="y", color=INK, alpha=0.3, linewidth=0.5)
        axes.legend(loc="lower right")
        svg = io.StringIO()
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
    return svg.getvalue()
