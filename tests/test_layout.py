"""The layout in docs/development.md names all top-level packages and modules of mission_control, and no others."""

import re

from tests.product import CHECKOUT

DOCUMENT = CHECKOUT / "docs" / "development.md"


def test_the_layout_names_what_there_is_in_mission_control():
    layout = DOCUMENT.read_text(encoding="utf-8").partition("## Layout")[2]
    own = layout.partition("\nmission_control/\n")[2].partition("\ntemplates/")[0]
    named = re.findall(r"^  ([a-z_]+(?:/|\.py)) ", own, re.MULTILINE)
    folder = CHECKOUT / "mission_control"
    there = [f"{path.name}/" for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"]
    there += [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert named == sorted(there)


def test_the_table_of_scripts_names_what_there_is():
    table = DOCUMENT.read_text(encoding="utf-8").partition("## JavaScript")[2].partition("\n\nScripts do not")[0]
    rows = "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    folder = CHECKOUT / "mission_control" / "static" / "mission_control"
    assert sorted(re.findall(r"`([\w.]+)`", rows)) == sorted(path.name for path in folder.glob("*.js"))
    assert [path.name for path in folder.glob("*.js") if not path.read_text().startswith("// @ts-check\n")] == []


def test_the_table_of_what_to_open_names_files_that_exist():
    table = DOCUMENT.read_text(encoding="utf-8").partition("### To change X, open Y")[2].partition("\n###")[0]
    names = re.findall(r"`([\w./]+(?:/|\.py|\.md|\.example))`", table)
    paths = [name for name in names if "/" in name or name == "errors.py"]
    roots = [CHECKOUT, CHECKOUT / "mission_control"]
    assert len(paths) > 20
    assert [name for name in paths if not any((root / name).exists() for root in roots)] == []
