"""The network itself: its 62 tensors, its blocks, which way of training suits which data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lib.learn import regimes as register
from lib.learn import results
from lib.learn.regimes import PUBLISHED_CONDITIONS, REGIMES
from lib.prepare.workspace import Workspace
from lib.view import cached, url_state
from lib.view.figures import style, training_curves, training_results
from lib.view.figures.network import blocks, frozen_tensors
from lib.view.figures.style import text
from lib.view.formatting import ink, plain


def section(opened: Workspace, runs: list[results.Run]) -> None:
    """The network, drawn, and the guide with what was measured."""
    classes = len(cached.catalog(opened).classes)
    st.subheader("What trains in each regime")
    counts = {regime.name: register.frozen(regime, classes) for regime in REGIMES.values()}
    st.plotly_chart(
        frozen_tensors(register.tensors(classes), counts),
        width="stretch",
        key="tensors",
        config=style.config("tensors"),
        alt="which parameter tensors each regime trains, as in the table below",
    )
    st.caption(
        "ResNet18's parameter tensors from the first convolution (left) to the classifier (right); pale ones are "
        "frozen. Hover for name, shape and size."
    )
    rows = []
    for regime in REGIMES.values():
        total, trainable = register.parameters(regime, classes)
        rows.append(
            {
                "Regime": f"{regime.title} ({regime.name})",
                "Tensors": f"{len(register.tensors(classes)) - counts[regime.name]} of 62",
                "Trainable parameters": f"{trainable:,} of {total:,}",
                "What happens": regime.about,
            }
        )
    st.table(pd.DataFrame(rows), hide_index=True)  # wraps long text, where st.dataframe cuts it off
    _diagram(runs, classes)
    _guide(runs)


def _diagram(runs: list[results.Run], classes: int) -> None:
    st.subheader("ResNet18, block by block")
    options = list(REGIMES)
    drawn = str(
        st.segmented_control(
            "Drawn for",
            options,
            required=True,
            format_func=lambda name: REGIMES[name].title,
            wrap=True,
            **url_state.choice("drawn", "training", options, "finetune"),
        )
    )
    used = sorted({run["config"]["image_size"] for run in runs if isinstance(run["config"].get("image_size"), int)})
    used = [px for px in used if 8 <= px <= 4096]
    px = used[-1] if used else 224
    left, right = st.container(key="split_blocks").columns([7, 3], gap="medium")
    left.plotly_chart(
        blocks(drawn, classes, px, ink=ink()),
        width="stretch",
        key="blocks",
        config=style.config(f"resnet18-{drawn}"),
        alt="block diagram of ResNet18: a stem, four stages of two basic blocks with shortcuts, and the classifier",
    )
    said = "the size of these runs" if used else "the size of ImageNet's weights"
    right.markdown(
        f"For an input of **{px} px** ({said}). Strong boxes train under **{REGIMES[drawn].title}**, pale ones stay "
        "as they were pretrained.\n\n"
        "- Every box of 3×3 or 7×7 is a convolution, followed by a BatchNorm and a ReLU.\n"
        "- Under each name: channels and the picture's size.\n"
        "- **⊕** adds the shortcut: a block only learns what to *change* in its input.\n"
        "- **/2** halves the picture; where that happens the channels double, and a **1×1** convolution of stride 2 "
        "makes the shortcut fit.\n"
        "- Channels grow from 64 to 512 while the picture shrinks: from *where* to *what*.\n"
        "- Average pooling leaves 512 numbers per photo: the vectors that this app searches."
    )


_CELLS = (
    ("Few photos, like the pretraining ones", "**Transfer**: keep the backbone, train a classifier on its highest "
     "features.", "few", ("layer4", "layer3")),
    ("Few photos, unlike them", "**Transfer of lower features**: late layers are too specific, early ones (edges, "
     "textures) still fit.", "few", ("layer1", "layer2", "layer3")),
    ("Many photos, like them", "**Fine-tuning**: let the last layers, or all, adapt from where they are.", "many",
     ("transfer", "finetune", "init")),
    ("Many photos, unlike them", "**Initialisation, or from scratch**: pretrained weights rarely hurt as a start.",
     "many", ("scratch", "init")),
)  # fmt: skip


def _guide(runs: list[results.Run]) -> None:
    st.subheader("When to use which")
    probes = results.probes(runs)
    rows = results.table(runs)
    st.caption(
        "The course's rule of thumb, each cell beside what its recipe gives on the chosen runs' photos. One data set "
        "is one case: it shows the mechanism, not the rule."
    )
    pretrained = [row for row in probes if row["regime"] == "transfer"]
    for start in (0, 2):
        for column, cell in zip(st.columns(2, gap="small"), _CELLS[start : start + 2], strict=True):
            name, advice, size, parts = cell
            with column.container(border=True, height="stretch"):
                st.markdown(f"**{name}**  \n{advice}")
                st.markdown(_probed(pretrained, parts) if size == "few" else _trained(rows, parts))
    if not probes:
        st.info("Linear probes are not measured yet: no chosen run has them.", icon=":material/hourglass_empty:")
        return
    st.markdown("**From general to specific features**")
    st.plotly_chart(
        training_results.probe(probes),
        width="stretch",
        key="probe",
        config=style.config("probe"),
        alt="linear-probe accuracy of the features of layer1 to layer4, by regime and number of photos",
    )
    st.caption(
        "A logistic regression on the average-pooled activations of one layer, trained on few (dotted) or all (solid) "
        "training photos and scored on the test photos; mean over seeds. Transfer's layers are the pretrained ones."
    )


def _probed(rows: list[dict[str, Any]], layers: Sequence[str]) -> str:
    fewest = min((row["photos"] for row in rows), default=0)
    found = {row["layer"]: row["accuracy"] for row in rows if row["photos"] == fewest}
    shown = [f"{layer} **{found[layer]:.1%}**" for layer in layers if layer in found]
    return f"Measured with {fewest:,} photos, pretrained {', '.join(shown)}" if shown else "*Not measured yet*"


def _trained(rows: list[dict[str, Any]], regimes: Sequence[str]) -> str:
    shown = [
        f"{plain(row['title'])} **{row['accuracy']:.1%}**"
        for regime in regimes
        for row in rows
        if row["regime"] == regime and row["accuracy"] is not None
    ]
    return f"Measured on test photos: {', '.join(shown)}" if shown else "*Not measured yet*"


def published() -> None:
    """The published figures alone, where nothing was measured."""
    st.plotly_chart(
        training_results.published_bars(training_curves.PUBLISHED),
        width="stretch",
        key="published",
        config=style.config("published"),
        alt="published test accuracies: "
        + ", ".join(f"{REGIMES[name].title} {value:.2%}" for name, value in training_curves.PUBLISHED.items()),
    )
    st.caption(f"Published for {text(PUBLISHED_CONDITIONS)}. Not measured here.")
