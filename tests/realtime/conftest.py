import pytest

from mission_control.models import Capacity


@pytest.fixture(autouse=True)
def database(transactional_db):
    """Real transactions, seen by the relay's own connection; the limit's row is created again."""
    Capacity.objects.update_or_create(pk=Capacity.THE_ROW, defaults={"limit": 5})
