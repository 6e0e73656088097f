"""Two people who edit the same text, and the files of a project, in a real browser."""

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.system


@pytest.fixture
def task(page, product):
    made = product.new_task(title="Shared", description="one\ntwo")
    page.goto(f"/tasks/{made}")
    page.locator("#conn[data-conn=live]").wait_for()
    page.locator("#edit-text > summary").click()
    return made


def write(page, product, task, *, theirs: str, mine: str) -> None:
    page.locator("#edit-description").fill(mine)
    product.call("PATCH", f"/tasks/{task}", description=theirs)
    page.locator("#edit-text").get_by_role("button", name="Save").click()
    page.locator("[data-conflict]", has_text="edited this while you were editing").wait_for()


def test_the_second_to_save_sees_what_the_first_wrote_and_keeps_his(page, product, task, complaints):
    complaints.expect("status of 409")
    write(page, product, task, theirs="one\ntheirs", mine="one\nmine")
    assert page.locator("[data-conflict] del").inner_text().endswith("theirs")
    expect(page.locator("#edit-description")).to_have_value("one\nmine")
    assert product.get(f"/tasks/{task}")["task"]["description"] == "one\ntheirs"
    page.get_by_role("button", name="Overwrite with mine").click()
    page.locator("#task-text .desc", has_text="mine").wait_for()
    page.locator("[data-conflict]").wait_for(state="detached")
    assert product.get(f"/tasks/{task}")["task"]["description"] == "one\nmine"


def test_the_second_to_save_takes_what_the_first_wrote(page, product, task, complaints):
    complaints.expect("status of 409")
    write(page, product, task, theirs="one\ntheirs", mine="one\nmine")
    page.get_by_role("link", name="Discard mine").click()
    page.locator("#task-text .desc", has_text="theirs").wait_for()
    expect(page.locator("[data-conflict]")).to_have_count(0)
    expect(page.locator("#edit-description")).to_have_value("one\ntheirs")


def test_an_agents_form_that_another_saved_meanwhile_says_so(page, product, complaints):
    complaints.expect("status of 409")
    agent = product.new_agent(name="Shared", role="Old")
    page.goto(f"/agents/{agent}")
    product.call("PATCH", f"/agents/{agent}", role="Theirs")
    page.locator("#agent-role").fill("Mine")
    page.locator("#agent-form").get_by_role("button", name="Save").click()
    page.locator("[data-conflict] del", has_text="Theirs").wait_for()
    page.get_by_role("button", name="Overwrite with mine").click()
    page.get_by_text("Saved: Shared").wait_for()
    assert product.get(f"/agents/{agent}")["agent"]["role"] == "Mine"


def test_a_projects_files_are_downloaded_at_once(page, product):
    project = product.post("/projects", title="With files")["project"]
    folder = Path(project["folder_path"])
    (folder / "chapters").mkdir(parents=True)
    (folder / "chapters" / "one.md").write_text("# One")
    (folder / "outside").symlink_to(product.data_dir)
    page.goto(f"/projects/{project['id']}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all").click()
    assert download.value.suggested_filename == "With-files.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.namelist() == ["chapters/one.md"]


def test_the_second_to_save_a_task_of_a_plan_takes_what_the_first_wrote(page, product, complaints):
    complaints.expect("status of 409")
    project = product.post("/projects", title="With a plan")["project"]["id"]
    task = product.new_task(title="Planned", description="Old", project_id=project)
    page.goto(f"/projects/{project}/plan?task={task}#form")
    product.call("PATCH", f"/tasks/{task}", description="Theirs")
    page.locator("#plan-description").fill("Mine")
    page.get_by_role("button", name="Save").click()
    page.locator("[data-conflict] del", has_text="Theirs").wait_for()
    page.get_by_role("link", name="Discard mine").click()
    page.locator("[data-conflict]").wait_for(state="detached")
    expect(page.locator("#plan-description")).to_have_value("Theirs")
