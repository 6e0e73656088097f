import pytest

from mission_control.models import Capacity


@pytest.fixture(autouse=True)
def database(transactional_db):
    """Use real transactions, which the relay's own connection can read, with a new row for the limit."""
    Capacity.objects.update_or_create(pk=Capacity.THE_ROW, defaults={"limit": 5})
