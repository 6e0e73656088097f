"""Benchmarks of the whole product on this machine: `python -m bench`. README.md explains each figure."""
