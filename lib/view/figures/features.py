"""Figures of features: the mean value in each class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from lib.measure.feature_examples import FeatureExamples
from lib.view import theme
from lib.view.figures.style import MARGIN, text

MOST_CLASSES = 20
_Z = 1.96


def class_means(
    found: FeatureExamples, feature: int, colours: Mapping[str, str], *, ink: str | None = None
) -> go.Figure:
    """The mean of a feature in each class with its 95 % interval, the largest first; `ink` is the text's colour."""
    means, errors = found.class_means[:, feature], np.nan_to_num(_Z * found.class_errors[:, feature])
    order = np.argsort(-means, kind="stable")[:MOST_CLASSES]
    labels = [found.facts["classes"][code] for code in order]
    figure = go.Figure(
        go.Bar(
            x=means[order],
            y=[text(label) for label in labels],
            orientation="h",
            marker_color=[colours.get(label, theme.MUTED) for label in labels],
            error_x={"array": errors[order], "color": ink or theme.MUTED, "thickness": 1.6},
            hovertemplate="%{y}: %{x:.3g}<extra></extra>",
        )
    )
    figure.update_layout(height=90 + 30 * len(labels), margin=MARGIN, showlegend=False)
    figure.update_xaxes(title=f"mean of feature {feature}", rangemode="tozero")
    figure.update_yaxes(autorange="reversed", type="category")
    return figure
