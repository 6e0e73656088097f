"""Which tasks of a project can be started, in which order, and why one waits."""
