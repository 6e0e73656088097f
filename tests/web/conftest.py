import pytest
from django.test import Client

from tests import make

SEES = ["mission_control.view_task", "mission_control.view_run"]


@pytest.fixture
def database(transactional_db):
    """Real transactions, as admission needs them. The limit's row is laid anew."""
    make.limit(5)


def client_of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def browser() -> Client:
    """A browser in which a superuser is logged in."""
    return client_of(make.user())
