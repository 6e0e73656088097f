"""Mission Control. This is the only definition of its version."""

__version__ = "0.3.0"
