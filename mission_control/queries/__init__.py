"""Read-only queries: sums, statistics, metrics, and the files of projects."""
