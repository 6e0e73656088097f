"""The guard of the hot paths: what it accepts, and what it reports."""

from bench.hot_paths import compare

STORED = {"one task": {"queries": 6, "calls": 20_000}}


def counted(queries: int, calls: int) -> tuple[list[str], list[str]]:
    return compare(STORED, {"one task": {"queries": queries, "calls": calls}})


def test_a_tenth_more_calls_are_accepted_and_more_are_not():
    assert counted(6, 22_000) == ([], [])
    assert counted(6, 22_001) == (["✗ one task: 22,001 calls, 20,000 stored"], [])


def test_one_more_query_is_refused():
    assert counted(7, 20_000) == (["✗ one task: 7 queries, 6 stored"], [])


def test_a_fall_by_more_than_a_tenth_is_reported_so_that_the_number_is_lowered():
    assert counted(6, 18_000) == ([], [])
    grown, [fewer_queries, fewer_calls] = counted(5, 17_999)
    assert grown == []
    assert "5 queries, 6 stored" in fewer_queries
    assert "17,999 calls, 20,000 stored" in fewer_calls


def test_a_path_without_a_number_and_a_number_without_a_path_are_refused():
    assert len(compare({}, STORED)[0]) == 1
    assert len(compare(STORED, {})[0]) == 1
