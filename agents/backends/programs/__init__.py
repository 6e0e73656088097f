"""The programs of the `command` backend: which are allowed, how each is called, and how to read its output."""
