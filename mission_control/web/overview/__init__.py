"""The overview: figures, charts, usage, and what needs a person."""
