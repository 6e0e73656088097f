"""The commands that use the database: their messages if it is not usable."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from mission_control import __version__
from tests import make

pytestmark = pytest.mark.django_db
COMMANDS = (
    ("answer",),
    ("check_agents",),
    ("create_token", "admin"),
    ("export_pocketpaw", "."),
    ("import_pocketpaw", "."),
    ("run_task", "Any"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_command_is_refused_on_the_database_of_a_newer_version(words):
    with (
        make.migrated_by_a_newer_version(),
        pytest.raises(CommandError, match=r"update this installation$") as refused,
    ):
        call_command(*words)
    assert f"this is version {__version__} (schema " in str(refused.value)
    assert "(schema 9999_from_the_future)" in str(refused.value)
    assert refused.value.returncode == (69 if words[0] in ("answer", "run_task") else 1)


@pytest.mark.embedded
@pytest.mark.django_db(transaction=True)
def test_command_that_finds_no_room_says_that_the_disk_is_full(tmp_path):
    document = {
        "id": "6f1c0a52-5d0e-4c43-9d1e-0a3c52f9b001",
        "title": "Long",
        "type": "deliverable",
        "content": "x" * 5_000_000,
    }
    (tmp_path / "documents.json").write_text(json.dumps([document]))
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA max_page_count")
        [most] = cursor.fetchone()
        cursor.execute("PRAGMA max_page_count = 1")  # SQLite uses the present size instead
    try:
        with pytest.raises(CommandError, match=r"^the disk is full$"):
            call_command("import_pocketpaw", str(tmp_path))
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA max_page_count = {most}")
