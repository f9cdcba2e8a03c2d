"""Old name of `rows.photo_file`, until its callers are renamed."""

from lib.store import rows

file_of = rows.photo_file
