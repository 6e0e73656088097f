"""Django 5.2's models and transactions, from the inside.

Used: the tuples in `connection.run_on_commit`, whose second part is the function;
`Model.save_base(raw=True)`, which loaders of fixtures use; and `Model.__dict__` as the place of a row's
values.
"""

from collections.abc import Callable

from django.db import connection
from django.db.models import Model


def runs_on_commit(function: Callable[[], object]) -> bool:
    """Return whether the current transaction will already call this function when it is committed."""
    return any(call is function for _, call, *_ in connection.run_on_commit)


def save_as_given(row: Model, *, is_new: bool) -> None:
    """Write the row with the values it has. `auto_now` would replace its times."""
    row.save_base(raw=True, force_insert=is_new)


def copy_values(source: Model, target: Model) -> None:
    """Give `target` all values of `source`, its key and what it has loaded included."""
    target.__dict__.update(source.__dict__)
