"""Find agents that this machine offers: programs in PATH, keys in the environment, model servers on local ports.

`scan.py` looks for all of them at once, within a few seconds; `scanner.py` does it outside requests and keeps the
result.
"""
