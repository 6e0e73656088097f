"""Django 5.2's models and transactions, from the inside.

Used: the tuples in `connection.run_on_commit`, whose second part is the function;
`Model.save_base(raw=True)`, which loaders of fixtures use; `Model.__dict__` as the place of a row's
values; and `QuerySet._iterable_class`, the class that makes the instances of a query.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.query import ModelIterable

Rows = TypeVar("Rows", bound=QuerySet[Any])


def runs_on_commit(function: Callable[[], object]) -> bool:
    """Return whether the current transaction will already call this function when it is committed."""
    return any(call is function for _, call, *_ in connection.run_on_commit)


def save_as_given(row: Model, *, is_new: bool) -> None:
    """Write the row with the values it has. `auto_now` would replace its times."""
    row.save_base(raw=True, force_insert=is_new)


def copy_values(source: Model, target: Model) -> None:
    """Give `target` all values of `source`, its key and what it has loaded included."""
    target.__dict__.update(source.__dict__)


def loading(rows: Rows, load: Callable[[list[Any]], None]) -> Rows:
    """Return the query, which calls `load` with its instances: with all at once, or with an iterator's pieces.

    Unlike `prefetch_related`, `load` may use values instead of instances, and one query for several relations.
    """

    class Loading(ModelIterable):  # type: ignore[type-arg]  # generic only in the stubs
        def __iter__(self) -> Iterator[Any]:
            made = super().__iter__()
            while piece := list(islice(made, self.chunk_size if self.chunked_fetch else None)):
                load(piece)
                yield from piece

    changed = rows.all()
    changed._iterable_class = Loading  # noqa: SLF001 - see above
    return changed
