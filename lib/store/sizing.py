"""Old names of functions in `index_types`, until their callers are renamed."""

from lib.store import index_types

size = index_types.estimated_size
told = index_types.format_bytes
