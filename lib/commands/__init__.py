"""Each command is a function from settings and options to its document, and `show_…` makes text of that document."""
