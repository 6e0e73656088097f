from tests.api.conftest import api, database

__all__ = ["api", "database"]
