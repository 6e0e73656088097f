"""The metrics for Prometheus: what they contain, who may read them, and that a million events do not slow them."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from mission_control import __version__
from mission_control.models import Run, RunEvent, WorkerGroup
from mission_control.runs.workers import send_heartbeat
from tests import make
from tests.api.conftest import Api


def scraped(answer) -> dict[str, float]:
    """Return the samples as `name{label=value,…}` and their values."""
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    found = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        assert family.documentation
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
    return found


def test_runs_slots_events_and_workers_are_told(api):
    make.limit(2)
    runs = [make.run(), make.run(), make.run(when_full="queue")]
    Run.objects.filter(pk=runs[0].pk).update(queued_at=timezone.now() - timedelta(seconds=90))
    send_heartbeat()
    WorkerGroup.objects.create(
        group="old", host="elsewhere", pid=7, beat_at=timezone.now() - timedelta(seconds=300), key_fingerprint="x"
    )
    found = scraped(api.get("/metrics"))
    by_status = {status: found[f"mission_control_runs{{status={status}}}"] for status in Run.Status.values}
    assert {status: number for status, number in by_status.items() if number} == {"waiting": 1, "queued": 2}
    assert (found["mission_control_slots_limit"], found["mission_control_slots_used"]) == (2, 2)
    assert found["mission_control_runs_waiting"] == 1
    assert found["mission_control_queue_age_seconds{status=queued}"] >= 90
    assert 0 <= found["mission_control_queue_age_seconds{status=waiting}"] < 90
    assert found["mission_control_run_events_total"] >= RunEvent.objects.count() > 0
    assert found["mission_control_workers_alive"] == 1
    [age] = [found[name] for name in found if "worker_heartbeat_age" in name and "group=old" in name]
    assert age >= 300
    assert found["process_resident_memory_bytes"] > 0
    [build] = [name for name in found if name.startswith("mission_control_build_info{")]
    assert f"version={__version__}" in build


def test_the_number_of_events_never_falls(api):
    run = make.run()
    before = scraped(api.get("/metrics"))["mission_control_run_events_total"]
    run.delete()
    assert scraped(api.get("/metrics"))["mission_control_run_events_total"] == before
    make.run()
    assert scraped(api.get("/metrics"))["mission_control_run_events_total"] > before


def test_a_scrape_never_goes_through_the_events(api):
    make.run()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        api.get("/metrics")
    touching = [query["sql"] for query in queries if "runevent" in query["sql"]]
    assert len(queries) < 15
    assert len(touching) == 1
    assert "sequence" in touching[0]


@pytest.mark.parametrize("path", ["/metrics", "/metrics/"])
def test_without_a_login_and_a_list_nobody_reads_them(path):
    answer = Client().get(path)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert Api(make.user(may=["mission_control.view_task"])).get(path).status_code == 403
    assert Api(make.user(may=["mission_control.view_run"])).get(path).status_code == 200
    assert Client().post(path).status_code in (401, 405)


LISTED = ["10.0.0.7", "10.1.0.0/16", "fd00::/8"]


@pytest.mark.parametrize(
    ("proxies", "remote", "forwarded", "status"),
    [
        (0, "10.0.0.7", None, 200),
        (0, "10.1.2.3", None, 200),
        (0, "fd00::1", None, 200),
        (0, "::ffff:10.0.0.7", None, 200),
        (0, "10.0.0.8", None, 401),
        (0, "10.2.0.1", None, 401),
        (0, "", None, 401),
        (0, "10.0.0.7", "192.0.2.1", 401),  # the settings do not know this proxy
        (0, "192.0.2.1", "10.0.0.7", 401),
        (1, "10.0.0.7", None, 200),  # the request did not come through the proxy
        (1, "127.0.0.1", "10.0.0.7", 200),
        (1, "10.0.0.7", "192.0.2.1", 401),
        (1, "10.0.0.7", "10.0.0.7, 192.0.2.1", 401),  # the first address is only the client's claim
        (1, "127.0.0.1", "192.0.2.1, 10.0.0.7", 200),
        (2, "127.0.0.1", "10.0.0.7, 192.0.2.1", 200),
        (2, "127.0.0.1", "10.0.0.7", 401),  # a proxy is missing
        (1, "127.0.0.1", "", 401),
        (1, "127.0.0.1", "x'\x00", 401),
    ],
)
def test_an_address_on_the_list_needs_no_login(settings, proxies, remote, forwarded, status):
    settings.METRICS_ALLOWED_ADDRESSES = [ip_network(text) for text in LISTED]
    settings.NUM_PROXIES = proxies
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    assert Client().get("/metrics", REMOTE_ADDR=remote, **headers).status_code == status


def test_the_list_opens_the_metrics_alone(settings):
    settings.METRICS_ALLOWED_ADDRESSES = [ip_network("127.0.0.1")]
    assert Client().get("/metrics").status_code == 200
    assert Client().get("/api/mission-control/runs").status_code == 401
    assert Client().get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
