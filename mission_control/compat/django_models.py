"""Django 5.2's models and transactions, from the inside.

Used: the tuples in `connection.run_on_commit`, whose second part is the function;
`Model.save_base(raw=True)`, which loaders of fixtures use; `Model.__dict__` as the place of a row's
values; `QuerySet._iterable_class`, the class that makes the instances of a query; and what such a class uses of
a query's compiler.
"""

import copy
from collections.abc import Callable, Iterator
from itertools import islice
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

from django.db import connection, connections
from django.db.models import Field, Model, QuerySet, prefetch_related_objects
from django.db.models.query import ModelIterable

Rows = TypeVar("Rows", bound=QuerySet[Any])
Row = TypeVar("Row", bound=Model)


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
    """Return the queryset, which calls `load` with all its instances, or with each batch of an iterator.

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


class PreparedLookup(Generic[Row]):
    """Finds the row whose field has a value, with a query that is compiled once for each process.

    Django builds and compiles the same SQL for each call, which takes ten times as long as SQLite needs to execute
    it. Only for queries whose other conditions never change: the time of day would be that of the first call.
    """

    def __init__(self, rows: Callable[[], QuerySet[Row]], field: str = "pk") -> None:
        """Prepare nothing yet: `rows` is called at the first lookup, when all models are loaded."""
        self._rows = rows
        self._name = field
        self._prepared: _Prepared | None = None

    def get(self, value: Any) -> Row | None:
        """Return the row with this value, which has the field's own type; None if there is none."""
        if self._prepared is None:
            self._prepared = _Prepared(self._rows(), self._name, value)
        return next(iter(self._prepared.fetch(value)), None)


class _Prepared:
    def __init__(self, rows: QuerySet[Any], name: str, value: Any) -> None:
        self._rows = rows.filter(**{name: value}).order_by()
        meta = rows.model._meta
        self._field: Field[Any, Any] = meta.pk if name == "pk" else meta.get_field(name)
        self._compiler = self._rows.query.get_compiler(using=self._rows.db)
        self._sql, given = self._compiler.as_sql()
        mine = self._field.get_db_prep_value(value, connections[self._rows.db])
        self._before, self._after = given[: given.index(mine)], given[given.index(mine) + 1 :]
        assert mine not in self._after, "the value is in one place of the query"

    def fetch(self, value: Any) -> list[Any]:
        """Return the rows, made by Django as those of any query."""
        compiler = copy.copy(self._compiler)
        compiler.connection = connections[self._rows.db]
        given = (*self._before, self._field.get_db_prep_value(value, compiler.connection), *self._after)
        compiler.as_sql = lambda: (self._sql, given)
        query = SimpleNamespace(get_compiler=lambda using: compiler)
        stand_in: Any = SimpleNamespace(query=query, db=self._rows.db, _known_related_objects={})
        rows: Any = self._rows  # the stubs lack what follows
        found: list[Any] = list(rows._iterable_class(stand_in))  # noqa: SLF001
        prefetch_related_objects(found, *rows._prefetch_related_lookups)  # noqa: SLF001
        return found
