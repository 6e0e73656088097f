"""Find rows by their tags, which both databases store as a JSON list."""

import json
from collections.abc import Iterable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, F, Func, Value
from django.db.models.sql.compiler import SQLCompiler

SQLAndParams = tuple[str, tuple[str | int, ...]]


class TaggedAny(Func):
    """An expression: whether a row's `tags` contain at least one of the given tags."""

    output_field = BooleanField()

    def __init__(self, tags: Iterable[str]) -> None:
        super().__init__(F("tags"), Value(json.dumps(list(tags))))

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> SQLAndParams:
        return self.as_sql(
            compiler,
            connection,
            template="EXISTS (SELECT 1 FROM json_each(%(expressions)s) AS wanted))",
            arg_joiner=") AS held WHERE held.value IN (SELECT wanted.value FROM json_each(",
            **context,
        )

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> SQLAndParams:
        return self.as_sql(
            compiler,
            connection,
            template="jsonb_exists_any(%(expressions)s::jsonb)))",
            arg_joiner=", ARRAY(SELECT jsonb_array_elements_text(",
            **context,
        )
