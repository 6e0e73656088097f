"""Images of the working folder are shown in rendered Markdown; images from elsewhere are links."""

import pytest

from mission_control.web.shared.markdown import rendered
from tests import make
from tests.web.conftest import client_of

URL = "/api/mission-control/projects/1/files/content"


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("![Chart](chart.png)", f"{URL}?path=chart.png"),
        ("![A & B](<out dir/a b.png>)", f"{URL}?path=out+dir%2Fa+b.png"),
        ("![x](./a/../chart.png)", f"{URL}?path=chart.png"),
    ],
)
def test_a_file_of_the_folder_is_shown(text, source):
    shown = rendered(text, files_url=URL)
    assert f'<img src="{source}"' in shown and shown.count("<img") == 1


@pytest.mark.parametrize(
    "address",
    [
        *("https://example.org/a.png", "http://example.org/a.png", "//example.org/a.png", "/logout"),
        *(
            "../a.png",
            "a/../../b.png",
            "%2e%2e/a.png",
            "javascript:alert(1)",
            "data:image/png;base64,AA",
            "\\\\a\\b",
        ),
    ],
)
def test_no_other_address_is_an_image(address):
    assert "<img" not in rendered(f"![x]({address})", files_url=URL)


def test_without_a_folder_and_as_a_link_a_relative_address_means_nothing():
    assert "<img" not in rendered("![x](chart.png)")
    assert "<a " not in rendered("[x](chart.png)", files_url=URL)
    assert 'onerror="' not in rendered('![a" onerror="alert(1)](chart.png)', files_url=URL)


@pytest.mark.django_db
def test_a_result_shows_its_pictures_and_a_file_page_its_image():
    make.limit(5)
    client, project = client_of(make.user()), make.project()
    project.folder.mkdir(parents=True)
    (project.folder / "chart.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))
    document = make.document(title="Result", content="![Chart](chart.png)", project=project)
    address = f'src="/api/mission-control/projects/{project.pk}/files/content?path=chart.png"'
    assert address in client.get(f"/documents/{document.pk}").content.decode()
    assert address in client.get(f"/projects/{project.pk}/file?path=chart.png").content.decode()
