"""The commands: each is a function from settings and options to a document, and `show_…` turns it into text."""
