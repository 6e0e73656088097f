"""The compositor alone runs animations, so that the main thread is free for output and for the user."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STYLES = ROOT / "mission_control" / "static" / "mission_control"
# Everything that moves endlessly, and the spinner ten times, as on a board with ten slots.
MOVING = """<button class="btn" aria-busy="true"><svg class="i"><use href="#i-play"/></svg></button>
<svg class="i spin"><use href="#i-retry"/></svg><span class="caret"></span><span class="skel"></span>"""
SPINNERS = '<p class="state"><svg class="i"><use href="#i-r-running"/></svg></p>' * 10
CHEAP = {"transform", "rotate", "scale", "translate", "opacity", "offset", "easing", "composite", "computedOffset"}

# Each running animation: its name, whether its element is a part of a picture, and what it changes.
RUNNING = """() => document.getAnimations().map(({animationName, effect}) => ({
  name: animationName,
  inPicture: effect.target.ownerSVGElement != null,
  changes: [...new Set(effect.getKeyframes().flatMap(Object.keys))],
}))"""
ADVANCED = "seconds => document.getAnimations().every(one => one.currentTime > 1000 * seconds)"


@pytest.fixture
def moving(chromium):
    """A page with everything that moves, and Chromium's counters of its work."""
    styles = "".join((STYLES / name).read_text() for name in ("tokens.css", "app.css", "task.css", "project.css"))
    sprite = (ROOT / "templates/shared/_sprite.html").read_text()
    page = chromium.new_page()
    page.set_content(f"<style>{styles}</style>{sprite}{MOVING}{SPINNERS}")
    yield page
    page.close()


def test_only_whole_elements_move_and_by_transform_or_opacity(moving):
    running = moving.evaluate(RUNNING)
    assert len(running) == 14
    for one in running:
        assert not one["inPicture"], one
        assert set(one["changes"]) <= CHEAP, one


def test_nothing_is_laid_out_or_styled_again_while_spinners_turn(moving):
    session = moving.context.new_cdp_session(moving)
    session.send("Performance.enable")

    def work() -> float:
        metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
        return metrics["LayoutCount"] + metrics["RecalcStyleCount"]

    moving.wait_for_function(ADVANCED, arg=0.2, polling=50)
    before = work()
    moving.wait_for_function(ADVANCED, arg=1.2, polling=250)
    assert work() - before < 20  # an animated path inside <use> takes 45 layouts a second
