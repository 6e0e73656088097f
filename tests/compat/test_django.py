"""The interfaces of Django that `compat/django_*.py` and `pocketpaw_site/postgresql/` use still exist."""

import inspect
import re

from asgiref.sync import ThreadSensitiveContext
from django.contrib.admin.actions import delete_selected
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.backends.sqlite3.base import DatabaseWrapper as SQLiteWrapper
from django.db.models import Model, QuerySet
from django.db.models.query import BaseIterable, ModelIterable
from django.db.models.sql.compiler import SQLCompiler

from tests.compat.expect import changed, expect_attributes, expect_parameters

ASGI, MODELS, POOL = "compat/django_asgi.py", "compat/django_models.py", "pocketpaw_site/postgresql/base.py"
SQLITE = "pocketpaw_site/sqlite/base.py"


def test_the_handler_has_the_methods_that_ours_overrides():
    expect_parameters("django", ASGIHandler.load_middleware, ["self", "is_async"], ASGI)
    expect_parameters("django", ASGIHandler.get_response_async, ["self", "request"], ASGI)
    expect_attributes("django", ASGIHandler, ["get_response", "request_class"], ASGI)
    assert "self.get_response_async(" in inspect.getsource(ASGIHandler), changed(
        "django", ASGI, "the handler does not call `get_response_async`"
    )


def test_a_request_reads_its_content_type_where_ours_does():
    overridden = ASGIRequest._set_content_type_params  # type: ignore[attr-defined]  # the stubs lack it
    expect_parameters("django", overridden, ["self", "meta"], ASGI)
    assert "self._set_content_type_params(" in inspect.getsource(ASGIRequest.__init__), changed(
        "django", ASGI, "a request does not call `_set_content_type_params`"
    )


def test_asgiref_takes_the_thread_of_a_request_from_ours():
    expect_parameters("asgiref", ThreadSensitiveContext.__init__, ["self", "executor"], ASGI)


def test_a_query_makes_its_instances_with_the_class_that_ours_replaces():
    expect_parameters("django", BaseIterable.__init__, ["self", "queryset", "chunked_fetch", "chunk_size"], MODELS)
    source = inspect.getsource(QuerySet._fetch_all) + inspect.getsource(QuerySet._iterator)  # type: ignore[attr-defined]  # the stubs lack it
    assert source.count("self._iterable_class(") == 2, changed("django", MODELS, "`_iterable_class` is not used")


def test_a_transaction_lists_its_calls_as_tuples_with_the_function_second():
    source = inspect.getsource(BaseDatabaseWrapper.on_commit)
    assert "self.run_on_commit.append((set(self.savepoint_ids), func, robust))" in source, changed(
        "django", MODELS, "`run_on_commit` has other tuples"
    )


def test_a_row_can_be_saved_as_it_is():
    parameters = list(inspect.signature(Model.save_base).parameters)
    assert {"raw", "force_insert"} <= set(parameters), changed("django", MODELS, f"save_base takes {parameters}")


def test_an_iterable_class_takes_of_a_query_what_a_prepared_lookup_gives_it():
    source = inspect.getsource(ModelIterable.__iter__)
    used = set(re.findall(r"queryset\.[\w.]+", source)) - {"queryset.model._meta.get_field"}
    assert used == {"queryset.db", "queryset.query.get_compiler", "queryset._known_related_objects.items"}, (
        changed("django", MODELS, f"ModelIterable uses {used}")
    )
    assert "sql, params = self.as_sql()" in inspect.getsource(SQLCompiler.execute_sql), changed(
        "django", MODELS, "`execute_sql` takes its statement from elsewhere"
    )


def test_the_admins_deletion_of_selected_rows_can_be_called():
    expect_parameters("django", delete_selected, ["modeladmin", "request", "queryset"], "admin/base.py")


def test_the_sqlite_backend_begins_and_ends_transactions_where_ours_does():
    for name in ("_commit", "_rollback", "_close", "_start_transaction_under_autocommit"):
        expect_parameters("django", getattr(SQLiteWrapper, name), ["self"], SQLITE)
    for method, call in (
        (BaseDatabaseWrapper.commit, "self._commit()"),
        (BaseDatabaseWrapper.rollback, "self._rollback()"),
        (BaseDatabaseWrapper.close, "self._close()"),
        (BaseDatabaseWrapper.set_autocommit, "self._start_transaction_under_autocommit()"),
    ):
        assert call in inspect.getsource(method), changed("django", SQLITE, f"{method.__name__} has no {call}")


def test_the_postgresql_backend_has_the_pool_that_ours_replaces():
    assert isinstance(DatabaseWrapper.pool, property), changed("django", POOL, "`pool` is no property")
    source = inspect.getsource(DatabaseWrapper.pool.fget)
    names = ("self._connection_pools", "self._configure_connection", "self.get_connection_params()")
    assert [name for name in names if name not in source] == [], changed(
        "django", POOL, "`pool` is made otherwise"
    )
