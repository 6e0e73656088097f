"""A search runs in the background, once for all who ask, and its result is kept."""

import threading

import pytest

from agents import connections
from agents.discovery import scanner as module
from agents.discovery.keys import find_keys
from agents.discovery.scan import scan
from agents.discovery.scanner import Scanner
from agents.models import Lookup
from tests.agents.discovery.test_model_servers import models, server

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_search_finds_programs_servers_and_keys(install, monkeypatch):
    install("claude", "echo 2.1.0")
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    with server(models({"id": "m"})) as running:
        found = scan([running.address])
    assert [one.key for one in found] == [
        "program-claude",
        f"server-{running.address.replace(':', '-')}",
        "key-openai",
    ]


def test_a_key_suggests_a_model_of_its_provider(monkeypatch):
    assert find_keys() == []
    monkeypatch.setenv("GEMINI_API_KEY", "x")
    [google] = find_keys()
    assert (google.title, google.detail) == ("Google key", "GEMINI_API_KEY")
    assert google.options["model"] == f"google:{google.models[0]}"
    assert google.options_for("gemini-x") == {"model": "google:gemini-x"}


def test_nobody_waits_for_a_search_and_only_one_runs_at_a_time(machine, searcher, settings, monkeypatch):
    """The slow search is the only thing replaced here: it waits until the test has asked three times."""
    searches, go_on = [], threading.Event()

    def slow_scan(addresses):
        searches.append(addresses)
        assert go_on.wait(30)
        return scan(addresses)

    monkeypatch.setattr(module, "scan", slow_scan)
    settings.FIND_MODEL_SERVERS = []
    first = [searcher.result(), searcher.result(again=True), searcher.result()]
    assert all(one.is_checking and one.checked_at is None for one in first)
    go_on.set()
    searcher.wait(30)
    kept = searcher.result()
    assert (kept.is_checking, kept.findings) == (False, ()) and kept.checked_at
    assert len(searches) == 1
    assert searcher.result(again=True).is_checking
    searcher.wait(30)
    assert len(searches) == 2


def test_what_one_process_has_found_is_seen_by_all(machine, searcher, settings, monkeypatch):
    settings.FIND_MODEL_SERVERS = []
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    searcher.result()
    searcher.wait(60)
    another = Scanner()  # nothing is kept in the object, as if it were that of another process
    assert [one.key for one in another.result().findings] == ["key-openai"]
    assert another.result().findings == searcher.result().findings
    assert not another.result().is_checking
    another.outdate()  # as the command `connect` does
    assert searcher.result().is_checking
    searcher.wait(60)


def test_findings_that_another_version_has_stored_are_left_out(machine, searcher, settings):
    settings.FIND_MODEL_SERVERS = []
    searcher.result()
    searcher.wait(60)
    Lookup.objects.update(value=[{"key": "x", "kind": "unheard of"}, 7, {"key": "y"}, "text"])
    assert searcher.result().findings == ()


def test_reading_the_result_and_the_connections_takes_one_query_each(
    machine, searcher, settings, django_assert_num_queries
):
    settings.FIND_MODEL_SERVERS, settings.CONNECTIONS_BY_PAGE = [], True
    searcher.result()
    searcher.wait(60)
    with django_assert_num_queries(1):
        assert not searcher.result().is_checking
    with django_assert_num_queries(1):
        connections.refresh()


def test_a_setting_turns_the_search_off(searcher, settings):
    settings.FIND_AGENTS = False
    assert not searcher.result(again=True).is_checking
