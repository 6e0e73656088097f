from tests.scheduling.conftest import agent, database, project

__all__ = ["agent", "database", "project"]
