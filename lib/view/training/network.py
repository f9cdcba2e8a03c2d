"""The section The network: its 62 tensors, its blocks, and which regime suits which data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lib.documents.runs import ResultRow
from lib.learn import regimes as register
from lib.learn import results
from lib.learn.regimes import PUBLISHED_CONDITIONS, REGIMES
from lib.prepare.workspace import Workspace
from lib.text import counted
from lib.view import cached, page_controls
from lib.view.figures import style, training_curves, training_results
from lib.view.figures.network import blocks, frozen_tensors
from lib.view.formatting import ink, plain

NOT_MEASURED = "*Not measured yet*"
# The rule of thumb's four cases: the case, its advice, the measurement that illustrates it, and of which layers or
# regimes.
_CASES = (
    ("Few photos, like the pretraining ones", "**Transfer**: keep the backbone, train a classifier on its highest "
     "features.", "probe", ("layer4", "layer3")),
    ("Few photos, unlike them", "**Transfer of lower features**: late layers are too specific, early ones (edges, "
     "textures) still fit.", "probe", ("layer1", "layer2", "layer3")),
    ("Many photos, like them", "**Fine-tuning**: let the last layers, or all, adapt from where they are.", "test",
     ("transfer", "finetune", "init")),
    ("Many photos, unlike them", "**Initialisation, or from scratch**: pretrained weights rarely hurt as a start.",
     "test", ("scratch", "init")),
)  # fmt: skip


def section(workspace: Workspace, runs: list[results.Run]) -> None:
    """What each regime trains, the block diagram, and the guide with measurements of these runs."""
    classes = len(cached.catalog(workspace).classes)
    _trainable(classes)
    _diagram(runs, classes)
    _guide(runs)


def _trainable(classes: int) -> None:
    st.subheader("What trains in each regime")
    counts = {regime.name: register.frozen_count(regime, classes) for regime in REGIMES.values()}
    st.plotly_chart(
        frozen_tensors(register.tensors(classes), counts),
        width="stretch",
        key="tensors",
        config=style.config("tensors"),
        alt="which parameter tensors each regime trains, as in the table below",
    )
    st.caption(
        "ResNet18's parameter tensors from the first convolution (left) to the classifier (right); pale tensors are "
        "frozen. Hover for name, shape and size."
    )
    rows = []
    for regime in REGIMES.values():
        total, trainable = register.parameter_counts(regime, classes)
        rows.append(
            {
                "Regime": f"{regime.title} ({regime.name})",
                "Tensors": f"{len(register.tensors(classes)) - counts[regime.name]} of 62",
                "Trainable parameters": f"{trainable:,} of {total:,}",
                "What happens": regime.about,
            }
        )
    st.table(pd.DataFrame(rows), hide_index=True)  # wraps long text, where st.dataframe cuts it off


def _diagram(runs: list[results.Run], classes: int) -> None:
    st.subheader("ResNet18, block by block")
    titles = {name: regime.title for name, regime in REGIMES.items()}
    regime = page_controls.segments("Show for", titles, "drawn", "training", "finetune")
    sizes = [run["config"].get("image_size") for run in runs]
    px = max((size for size in sizes if isinstance(size, int) and 8 <= size <= 4096), default=None)
    source = "the input size of these runs" if px else "the input size of ImageNet's weights"
    px = px or 224
    left, right = st.container(key="split_blocks").columns([7, 3], gap="medium")
    left.plotly_chart(
        blocks(regime, classes, px, ink=ink()),
        width="stretch",
        key="blocks",
        config=style.config(f"resnet18-{regime}"),
        alt="block diagram of ResNet18: a stem, four stages of two basic blocks with shortcuts, and the classifier",
    )
    right.markdown(
        f"For an input of **{px} px** ({source}). Solid boxes are trained under **{REGIMES[regime].title}**; pale "
        "boxes keep their pretrained weights.\n\n"
        "- Each 3×3 or 7×7 box is a convolution, followed by BatchNorm and ReLU.\n"
        "- Under each name: channels and the feature map's size.\n"
        "- **⊕** adds the shortcut: a block only learns what to *change* in its input.\n"
        "- **/2** halves the feature map; there the channels double, and a **1×1** convolution of stride 2 makes the "
        "shortcut fit.\n"
        "- Channels grow from 64 to 512 while the feature map shrinks: from *where* to *what*.\n"
        "- Average pooling leaves 512 numbers per photo: the vectors that this app searches."
    )


def _guide(runs: list[results.Run]) -> None:
    st.subheader("When to use which")
    st.caption(
        "The course's rule of thumb. Each case shows what its advice gives on the chosen runs' photos. One data set is "
        "one example: it shows the mechanism, it does not prove the rule."
    )
    probes, rows = results.probe_means(runs), results.table(runs)
    pretrained = [row for row in probes if row["regime"] == "transfer"]
    for start in (0, 2):
        for column, case in zip(st.columns(2, gap="small"), _CASES[start : start + 2], strict=True):
            title, advice, measurement, names = case
            with column.container(border=True, height="stretch"):
                st.markdown(f"**{title}**  \n{advice}")
                st.markdown(_probed(pretrained, names) if measurement == "probe" else _tested(rows, names))
    if not probes:
        st.info("No chosen run has linear probes.", icon=":material/hourglass_empty:")
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


def _probed(rows: Sequence[Mapping[str, Any]], layers: Sequence[str]) -> str:
    """Linear-probe accuracy of these layers with the fewest photos."""
    fewest = min((row["photos"] for row in rows), default=0)
    accuracies = {row["layer"]: row["accuracy"] for row in rows if row["photos"] == fewest}
    measured = [f"{layer} **{accuracies[layer]:.1%}**" for layer in layers if layer in accuracies]
    return f"Measured with {counted(fewest, 'photo')}, pretrained {', '.join(measured)}" if measured else NOT_MEASURED


def _tested(rows: Sequence[ResultRow], regimes: Sequence[str]) -> str:
    """Test accuracy of these regimes."""
    measured = [
        f"{plain(row['title'])} **{row['accuracy']:.1%}**"
        for regime in regimes
        for row in rows
        if row["regime"] == regime and row["accuracy"] is not None
    ]
    return f"Measured on test photos: {', '.join(measured)}" if measured else NOT_MEASURED


def published() -> None:
    """The published accuracies alone, where no run is recorded."""
    st.plotly_chart(
        training_results.published_bars(training_curves.PUBLISHED),
        width="stretch",
        key="published",
        config=style.config("published"),
        alt="published test accuracies: "
        + ", ".join(f"{REGIMES[name].title} {value:.2%}" for name, value in training_curves.PUBLISHED.items()),
    )
    st.caption(f"Published for {style.text(PUBLISHED_CONDITIONS)}. Not measured here.")
