"""The app as a server: `streamlit run app.py` serves Home.py and pages/, with the server's gate before them."""

import streamlit as st
from starlette.middleware import Middleware

from lib.view.server_gate import Gate

app = st.App("Home.py", middleware=[Middleware(Gate)])
