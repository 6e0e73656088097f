"""Which answers the running product compresses, and which it must not."""

import re

import httpx
import pytest

from tests.system.test_rights import Visitor

pytestmark = pytest.mark.system

GZIP = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture
def visitor(product):
    return Visitor(product, "admin", product.password)


def test_a_page_is_compressed_for_a_browser_that_asks_for_it_and_only_then(visitor):
    page = visitor.client.get("/board", headers=GZIP)
    plain = visitor.client.get("/board", headers=PLAIN)

    assert page.headers["Content-Encoding"] == "gzip" and "Content-Encoding" not in plain.headers
    assert int(page.headers["Content-Length"]) < len(plain.content) / 3
    for each in (page, plain):
        assert "Accept-Encoding" in each.headers["Vary"]
        assert each.text.startswith("<!doctype html>") and each.text.rstrip().endswith("</html>")


def test_two_compressed_answers_with_the_same_content_differ_in_length_so_that_none_can_be_measured(visitor):
    lengths = {visitor.client.get("/keys", headers=GZIP).headers["Content-Length"] for _ in range(8)}
    assert len(lengths) > 1


def test_no_answer_that_shows_a_new_access_token_is_compressed(product, visitor):
    visitor.client.headers.update(GZIP)
    page = visitor.post("/account/tokens", at="/account", name="compressed?", days="30")
    of_admin = visitor.post("/admin/mission_control/accesstoken/add/", user="1", name="x", expires_in_days="3")
    of_api = product.client.post("/tokens", json={"name": "y" * 90}, headers=GZIP)
    [csrf] = [value for name, value in visitor.client.cookies.items() if name.startswith("mc_csrf")]
    browsable = visitor.client.post(
        f"{product.api}/tokens",
        json={"name": "z"},
        headers={"Accept": "text/html", "X-CSRFToken": csrf},
    )

    for answer in (page, of_admin, of_api, browsable):
        assert re.search("mct_[0-9a-f]{60}", answer.text), (answer.status_code, answer.text[:300])
        assert "Content-Encoding" not in answer.headers
        assert "no-transform" in answer.headers["Cache-Control"]
    assert visitor.client.get("/account").headers["Content-Encoding"] == "gzip"  # this page shows no secret


def test_a_stream_of_events_is_not_compressed_so_that_each_event_arrives_at_once(product):
    run = product.run(product.new_task(), product.new_rehearser(100, delay=0.05))
    product.running(run)
    with product.client.stream("GET", f"/runs/{run}/stream", headers=GZIP) as answer:
        assert "Content-Encoding" not in answer.headers
        next(piece for piece in answer.iter_raw() if b"data: " in piece)
        assert product.run_of(run)["status"] == "running"
    product.post(f"/runs/{run}/stop")


def test_a_static_file_that_has_not_changed_is_not_sent_again(product):
    path = f"{product.url}/static/mission_control/app.css"
    first = httpx.get(path, headers=GZIP)
    known = {"If-Modified-Since": first.headers["Last-Modified"]}
    again = httpx.get(path, headers={**GZIP, **known})

    assert (first.status_code, first.headers["Content-Encoding"]) == (200, "gzip")
    assert (again.status_code, again.content) == (304, b"")
