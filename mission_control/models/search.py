"""Search text in rows, ignoring case and Unicode's equivalent spellings, with the same result in both databases.

`title__has_text="übung"` finds "ÜBUNG", even if the umlaut is written as two characters. An ASCII row is compared
by the database's own operator, and only other rows are folded, so a search is about as fast as `icontains`.
"""

import unicodedata
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models import CharField, Lookup, Q, TextField
from django.db.models.sql.compiler import SQLCompiler

SQLAndParams = tuple[str, list[Any]]
ICU = "und-x-icu"  # PostgreSQL's collation for all of Unicode, if it was built with ICU


def fold(text: str) -> str:
    """Return the text in a form for comparison: without case, and with one spelling per character."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def has_text(words: str, *fields: str) -> Q:
    """Return the condition that one of the fields contains the words."""
    condition = Q()
    for name in fields:
        condition |= Q((f"{name}__has_text", words))
    return condition


@CharField.register_lookup
@TextField.register_lookup
class HasText(Lookup):
    """A lookup: whether a text column contains a text, compared by `fold`."""

    lookup_name = "has_text"

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        column, column_params = compiler.compile(self.lhs)
        words = fold(str(self.rhs))
        if connection.vendor == "sqlite":
            ascii_match, has_others, folded = _sqlite(column)
            folded_param = words
        else:  # PostgreSQL folds the words as well, so that it treats them like the rows
            ascii_match, has_others, folded = _postgresql(column)
            folded_param = _pattern(unicodedata.normalize("NFKC", str(self.rhs)))
        others = f"({has_others} AND {folded})"
        others_params = [*column_params * 3, folded_param]
        if not words.isascii():  # no ASCII text contains it
            return others, others_params
        return f"({ascii_match} OR {others})", [*column_params, _pattern(words), *others_params]


def _sqlite(column: str) -> tuple[str, str, str]:
    """Return three conditions: the words match as ASCII, there are other characters, the folded text matches."""
    return (
        rf"{column} LIKE %s ESCAPE '\'",
        f"length(CAST({column} AS BLOB)) <> length({column})",
        f"mc_has_text({column}, %s)",
    )


def _postgresql(column: str) -> tuple[str, str, str]:
    has_others = f"octet_length({column}) <> char_length({column})"
    return f"{column} ILIKE %s", has_others, f"{_folded(column)} LIKE {_folded('%s::text')}"


def _folded(text: str) -> str:
    """Return the expression with which PostgreSQL folds a text, almost as `fold` does."""
    collation = f' COLLATE "{ICU}"' if _has_icu() else ""
    lower = f"lower(normalize({text}, NFKC){collation})"
    return f"normalize(replace(replace({lower}, 'ß', 'ss'), 'ς', 'σ'), NFKC)"


_icu: list[bool] = []  # queried once per process


def _has_icu() -> bool:
    if not _icu:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_collation WHERE collname = %s", [ICU])
            _icu.append(cursor.fetchone() is not None)
    return _icu[0]


def _pattern(words: str) -> str:
    """Return the LIKE pattern of texts that contain the words."""
    for special in "\\%_":
        words = words.replace(special, f"\\{special}")
    return f"%{words}%"


def _contains(text: str | None, words: str) -> bool:
    return text is not None and words in fold(text)


def _add_sqlite_function(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Add the function that compares non-ASCII text to each new SQLite connection."""
    if connection.vendor == "sqlite":
        connection.connection.create_function("mc_has_text", 2, _contains, deterministic=True)


connection_created.connect(_add_sqlite_function, dispatch_uid="mission_control.models.search")
