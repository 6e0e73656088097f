"""Read only: sums, statistics, metrics, and the files of projects."""
