"""Home: what this is, the photos at a glance, what is wrong with them, what is ready."""

import streamlit as st

from lib.view import page_frame
from lib.view.home import page

page_frame.begin(
    "Petalscope",
    "Which photos does this machine find alike, and why? Train ResNet18 in four regimes, see the space it makes, "
    "search it under five metrics, and open the Milvus collection that holds it.",
)
opened = page_frame.workspace()
page_frame.origin(opened, "resnet18" if "resnet18" in opened.spaces else None)

page.glance(opened)
page.tour()

st.header("Photos", divider="gray")
page.browse(opened)
page.network_input(opened)

left, right = st.container(key="split").columns(2, gap="large")
with left:
    st.header("Audit", divider="gray")
    page.audit(opened)
with right:
    st.header("Ready", divider="gray")
    page.readiness(opened)
