"""Figures are functions from data to a Plotly figure: no module of theirs may need Streamlit."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lib.settings import PROJECT

MODULES = sorted(path.stem for path in (PROJECT / "lib" / "view" / "figures").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("module", MODULES)
def test_a_figure_module_imports_no_streamlit(module: str) -> None:
    """Directly or through another module: in a fresh process."""
    script = f"import sys, lib.view.figures.{module}; print('streamlit' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
