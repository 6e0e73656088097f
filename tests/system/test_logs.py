"""The log of a product with problems is readable for people."""

import logging
import multiprocessing

import pytest
from django.db.utils import OperationalError

from mission_control.logs import LogFile, RepeatFilter, TerminalSafeFormatter


@pytest.fixture
def full_disk(tmp_path):
    """Return a log file on a disk that is full: the device that always is."""
    (tmp_path / "x.log").symlink_to("/dev/full")
    file = LogFile(str(tmp_path / "x.log"), maxBytes=1_000_000)
    yield file
    file.close()


def write_lines(file, writer, number):
    for line in range(number):
        file.handle(logging.LogRecord("tests", logging.INFO, "", 1, f"writer {writer} line {line}", (), None))


def test_processes_that_write_and_rotate_the_log_together_lose_and_double_no_line(tmp_path):
    file = LogFile(str(tmp_path / "x.log"), maxBytes=4_000, backupCount=100)
    write_lines(file, 0, 1)  # its files are open before the forks, as a worker's are
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_lines, args=(file, writer, 200)) for writer in (1, 2, 3, 4)]
    for process in writers:
        process.start()
    for process in writers:
        process.join(60)
    file.close()

    files = list(tmp_path.glob("x.log*"))
    assert len(files) > 3
    assert max(path.stat().st_size for path in files) <= 4_000
    expected = [
        "writer 0 line 0",
        *(f"writer {writer} line {line}" for writer in (1, 2, 3, 4) for line in range(200)),
    ]
    assert sorted(line for path in files for line in path.read_text().splitlines()) == sorted(expected)


def test_a_full_disk_costs_one_line_and_no_traceback_for_each_line_lost(full_disk, capsys):
    log = logging.getLogger("tests.full_disk")
    log.propagate = False
    log.addHandler(full_disk)
    for number in range(20):
        log.error("line %s", number)
    log.removeHandler(full_disk)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "cannot be written: No space left on device" in said


def test_the_log_is_written_by_that_handler():
    assert [type(handler) for handler in logging.getLogger().handlers].count(LogFile) == 1


def test_what_each_request_would_say_again_during_an_outage_is_said_once_and_counted(caplog):
    log = logging.getLogger("tests.seldom")
    seldom = RepeatFilter()
    log.addFilter(seldom)
    for number in range(500):
        log.warning("no connection for request %s", number)
    log.warning("something else")
    assert [record.getMessage() for record in caplog.records] == ["no connection for request 0", "something else"]

    seldom.SECONDS = 0.0  # as if the time had passed
    log.warning("no connection for request %s", 500)
    assert caplog.records[-1].getMessage() == ("no connection for request 500 (499 more like this since the last)")
    log.removeFilter(seldom)


@pytest.mark.parametrize("name", ["pocketpaw_site.http", "psycopg.pool"])
def test_the_web_process_uses_it_for_what_an_outage_repeats(name):
    assert {type(one) for one in logging.getLogger(name).filters} == {RepeatFilter}


def test_an_outage_of_the_database_is_one_line_where_the_queue_meets_it(caplog):
    try:
        raise OperationalError("connection failed")
    except OperationalError:
        logging.getLogger("django-q").exception("Could not create task from schedule")
    [record] = caplog.records
    assert record.exc_info is None
    assert record.getMessage() == (
        "Could not create task from schedule: the database does not answer (OperationalError)"
    )


def test_nothing_that_others_wrote_steers_the_terminal_that_shows_the_log():
    said = "failed: \x1b]52;c;aGk=\x07\x1b[2J\x9b2Jmessage\r\x08"
    record = logging.LogRecord("agents", logging.INFO, "", 1, "the model %s", (said,), None)
    assert TerminalSafeFormatter("%(message)s").format(record) == "the model failed: message\n"


def test_every_handler_writes_such_lines(settings):
    formatters = {handler["formatter"] for handler in settings.LOGGING["handlers"].values()}
    classes = {settings.LOGGING["formatters"][name]["()"] for name in formatters}
    assert classes == {"mission_control.logs.TerminalSafeFormatter"}
