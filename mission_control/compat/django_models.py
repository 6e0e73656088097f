"""Django 5.2's models and transactions, from the inside.

Used: the tuples in `connection.run_on_commit`, whose second part is the function;
`Model.save_base(raw=True)`, which loaders of fixtures use; `Model.__dict__` as the place of a row's
values; `QuerySet._iterable_class`, the class that makes the instances of a query; and what such a class uses of
a query's compiler.
"""

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from types import SimpleNamespace
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Lookup, Model, QuerySet, UUIDField, prefetch_related_objects
from django.db.models.query import ModelIterable
from django.db.models.sql.compiler import SQLCompiler

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


@UUIDField.register_lookup
class AnyOf(Lookup):
    """`pk__any_of=keys`: as `in`, with all keys in one parameter, so the SQL is always the same."""

    lookup_name = "any_of"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        column, given = self.process_lhs(compiler, connection)
        is_any = "IN (SELECT value FROM json_each(%s))" if connection.vendor == "sqlite" else "= ANY(%s)"
        return f"{column} {is_any}", [*given, keys_parameter(self.rhs, connection)]


def keys_parameter(keys: Iterable[UUID], connection: BaseDatabaseWrapper) -> Any:
    """Return the parameter of `any_of`: a JSON array of the stored values on SQLite, an array on PostgreSQL."""
    return json.dumps([key.hex for key in keys]) if connection.vendor == "sqlite" else list(keys)


class PreparedLookup(Generic[Row]):
    """Finds the rows whose field has a value, with a query that is compiled once for each process.

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
        return next(iter(self.all(value)), None)

    def all(self, value: Any) -> list[Row]:
        """Return all rows with this value, in the order of the queryset."""
        if self._prepared is None:
            rows = self._rows()
            meta = rows.model._meta
            field: Any = meta.pk if self._name == "pk" else meta.get_field(self._name)
            found = rows.filter(**{self._name: value})
            self._prepared = _Prepared(found.order_by() if field.unique else found, value, field.get_db_prep_value)
        return self._prepared.fetch(value)


class PreparedQuery:
    """A query that never changes and is compiled once for each process."""

    def __init__(self, rows: Callable[[], QuerySet[Any, Any]]) -> None:
        """Prepare nothing yet: `rows` is called at the first execution."""
        self._rows = rows
        self._prepared: _Prepared | None = None

    def all(self) -> list[Any]:
        """Execute it, and return what the queryset yields now."""
        if self._prepared is None:
            self._prepared = _Prepared(self._rows())
        return self._prepared.fetch()


class PreparedValues:
    """The values of rows that belong to any of several keys, by a query that is compiled once for each process."""

    def __init__(self, rows: Callable[[Sequence[UUID]], QuerySet[Any, Any]]) -> None:
        """`rows` is called once, with the keys of the first call, which it gives to the lookup `any_of`."""
        self._rows = rows
        self._prepared: _Prepared | None = None

    def of(self, keys: Sequence[UUID]) -> list[Any]:
        """Return what the query's `values_list` yields for these keys."""
        if not keys:
            return []
        if self._prepared is None:
            self._prepared = _Prepared(self._rows(keys), keys, keys_parameter)
        return self._prepared.fetch(keys)


class _Prepared:
    def __init__(
        self, rows: QuerySet[Any, Any], value: Any = None, parameter_of: Callable[[Any, Any], Any] | None = None
    ) -> None:
        """Compile the query of `rows`, which uses `value`; `parameter_of` returns the SQL parameter of a value."""
        self._rows = rows
        self._parameter_of = parameter_of
        self._compiler = rows.query.get_compiler(using=rows.db)
        self._sql, given = self._compiler.as_sql()
        columns = [column for column, *_ in self._compiler.select[: self._compiler.col_count]]
        self._converters = self._compiler.get_converters(columns)
        mine = parameter_of(value, connections[rows.db]) if parameter_of else None
        self._places = [place for place, one in enumerate(given) if parameter_of and one == mine]
        self._given = given
        assert self._places or not parameter_of, "the value is a parameter of the query"

    def fetch(self, value: Any = None) -> list[Any]:
        """Return the rows, made by Django as those of any query."""
        compiler = copy.copy(self._compiler)
        compiler.connection = connections[self._rows.db]
        given = list(self._given)
        for place in self._places:
            assert self._parameter_of is not None, "it has found the places"
            given[place] = self._parameter_of(value, compiler.connection)
        compiler.as_sql = lambda: (self._sql, tuple(given))
        compiler.get_converters = lambda columns: self._converters
        query = SimpleNamespace(get_compiler=lambda using: compiler)
        stand_in: Any = SimpleNamespace(query=query, db=self._rows.db, _known_related_objects={})
        rows: Any = self._rows  # the stubs lack what follows
        found: list[Any] = list(rows._iterable_class(stand_in))  # noqa: SLF001
        prefetch_related_objects(found, *rows._prefetch_related_lookups)  # noqa: SLF001
        return found
