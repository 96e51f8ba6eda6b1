"""The report's curves, as Plotly figures without Plotly's script (the report has it once)."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from include.scoring.coco_metrics import RECALLS

# Paul Tol's "bright" and "muted" schemes: told apart by colour-blind eyes, on white and on black.
# https://personal.sron.nl/~pault/
COLOURS = (
    *("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377"),
    *("#CC6677", "#44AA99", "#999933", "#882255", "#DDCC77", "#117733"),
)


def precision_recall(precision: Mapping[str, Sequence[float]]) -> str:
    """Precision over recall at IoU 0.50, one line per class."""
    import plotly.graph_objects as go

    lines = [
        go.Scatter(
            x=RECALLS,
            y=values,
            name=_literal(name),
            mode="lines",
            line={"color": COLOURS[i % len(COLOURS)], "width": 2},
            hovertemplate="recall %{x:.2f}<br>precision %{y:.3f}",
        )
        for i, (name, values) in enumerate(precision.items())
    ]
    return _figure(lines, xaxis={"title": "recall", "range": [0, 1]}, yaxis={"title": "precision", "range": [0, 1.03]})


def training_curves(history: Sequence[Mapping[str, Any]]) -> str:
    """Loss over steps, and mAP on the validation images beside it."""
    import plotly.graph_objects as go

    loss = [line for line in history if "loss" in line]
    lines = [
        go.Scatter(
            x=[line["step"] for line in loss],
            y=[line["loss"] for line in loss],
            name="loss",
            mode="lines",
            line={"color": COLOURS[0], "width": 1.5},
            hovertemplate="step %{x}<br>loss %{y:.3f}",
        )
    ]
    for key, name, colour in (
        ("validation_mAP50", "validation mAP50", COLOURS[4]),
        ("validation_mAP", "validation mAP", COLOURS[1]),
    ):
        validation = [line for line in history if key in line]
        if not validation:
            continue  # a cloud's own algorithm tells only one of them
        lines.append(
            go.Scatter(
                x=[line["step"] for line in validation],
                y=[line[key] for line in validation],
                name=name,
                mode="lines+markers",
                line={"color": colour, "width": 2},
                yaxis="y2",
                hovertemplate="step %{x}<br>" + name + " %{y:.3f}",
            )
        )
    return _figure(
        lines,
        xaxis={"title": "step"},
        yaxis={"title": "loss", "rangemode": "tozero"},
        yaxis2={"title": "mAP", "overlaying": "y", "side": "right", "range": [0, 1], "dtick": 0.2, "showgrid": False},
    )


def plotly_script() -> str:
    """Plotly's JavaScript, as the package ships it."""
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


def _figure(lines: Sequence[Any], **axes: Mapping[str, Any]) -> str:
    """A figure as an HTML fragment; colours of text and grid are left to the page's style sheet."""
    import plotly.graph_objects as go

    figure = go.Figure(lines)
    figure.update_layout(
        template="none",
        height=340,
        margin={"l": 52, "r": 52, "t": 8, "b": 44},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "inherit", "size": 12},
        legend={"orientation": "h", "y": -0.22, "x": 0},
        hovermode="closest",
        **axes,
    )
    return figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        default_height="340px",
        config={"displayModeBar": False, "responsive": True},
    )


def _literal(text: str) -> str:
    """Plotly reads some HTML in names (<b>, <a>); a class name means what it says."""
    return html.escape(text, quote=False)
