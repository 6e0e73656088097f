"""The product below a path prefix: behind a real nginx that passes the prefix on or removes it."""

import contextlib
import json
import os
import shutil
import subprocess

import httpx
import pytest
from websockets.sync.client import connect

from tests.needs import need
from tests.product import WebProcess
from tests.servers import answers, free_port, wait_until
from tests.web.browsing import ARGUMENTS

pytestmark = pytest.mark.system

NGINX = """
daemon off; pid {folder}/pid; error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location /mission/ {{
      proxy_pass http://127.0.0.1:{upstream}{suffix};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
    }}
  }}
}}
"""


@contextlib.contextmanager
def nginx(folder, upstream: int, suffix: str):
    """Serve the web process below /mission; yield the port. Without nginx, use the web process itself."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        yield upstream
        return
    folder.mkdir()
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, port=port, upstream=upstream, suffix=suffix))
    process = subprocess.Popen([program, "-c", str(configuration), "-p", str(folder)])
    try:
        wait_until(lambda: answers(port), what="nginx")
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def web(product):
    with WebProcess(product, ROOT_PATH="/mission") as web:
        yield web


@pytest.fixture(scope="module", params=["", "/"], ids=["path passed on", "path taken off"])
def address(request, web, tmp_path_factory):
    """The address at which nginx serves the product."""
    with nginx(tmp_path_factory.mktemp("nginx") / "nginx", web.port, request.param) as port:
        yield f"127.0.0.1:{port}"


def test_pages_links_redirects_static_files_and_cookies_stay_below_the_path(address):
    with httpx.Client(base_url=f"http://{address}") as client:
        first = client.get("/mission/")
        assert first.headers["Location"] == "/mission/login?next=/mission/"
        page = client.get(first.headers["Location"])
        assert page.status_code == 200
        assert "; Path=/mission/;" in page.headers["Set-Cookie"]
        links = [part.split('"')[0] for part in page.text.replace('src="', 'href="').split('href="')[1:]]
        assert links and all(link.startswith(("/mission/", "#", "data:")) for link in links)
        statics = [link for link in links if "/static/" in link]
        assert statics and {client.get(link).status_code for link in statics} == {200}


def test_api_and_socket_are_reached_below_the_path(address, web):
    assert httpx.get(f"http://{address}/mission/api/mission-control/tasks", headers=web.login).status_code == 200
    assert httpx.get(f"http://{address}/mission/healthz").status_code == 200
    with connect(f"ws://{address}/mission/ws/mission-control", additional_headers=web.login) as socket:
        assert json.loads(socket.recv(timeout=60))["type"] == "connection_info"


def test_page_in_a_browser_follows_the_work_below_the_path(address, product):
    [program] = need("chromium", "the journeys in a browser")
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as playwright,
        contextlib.closing(playwright.chromium.launch(executable_path=program, args=ARGUMENTS)) as browser,
    ):
        page = browser.new_page()
        opened: list[str] = []
        page.on("websocket", lambda socket: opened.append(socket.url))
        page.goto(f"http://{address}/mission/")
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill(product.password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"http://{address}/mission/")
        title = f"Seen below the path {address}"
        product.new_task(title=title)
        page.get_by_text(title).first.wait_for(timeout=15_000)
        assert opened[0].startswith(f"ws://{address}/mission/ws/pages?since=")
