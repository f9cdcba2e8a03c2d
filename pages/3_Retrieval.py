"""Retrieval: which photos are closest to a query under five metrics, in every space, and why the metrics disagree."""

from lib.errors import PetalscopeError
from lib.view import page_frame
from lib.view.retrieval import sections

page_frame.begin(
    "Retrieval",
    "Choose a photo to see the closest ones under five distance metrics. Click any photo to search with it.",
)
workspace = page_frame.workspace(show_query=False)
section = sections.choose()
try:
    section.show(workspace)
except PetalscopeError as error:
    page_frame.restart_or_show_error(error)
