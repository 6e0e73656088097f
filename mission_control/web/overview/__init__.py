"""The overview: figures, charts, usage, what needs somebody."""
