from tests.runs.conftest import database

__all__ = ["database"]
