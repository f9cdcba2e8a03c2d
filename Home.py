"""The app's entrance: `streamlit run Home.py` serves Home and pages/ behind the server's gate."""

import streamlit as st
from starlette.middleware import Middleware
from streamlit import runtime

from lib.view.server_gate import Gate

if runtime.exists():
    from lib.view.home import page

    page.show()
else:  # before there are sessions, the server imports this file once, for what it serves
    app = st.App("Home.py", middleware=[Middleware(Gate)])
