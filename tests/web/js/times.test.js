// Times on a page, in the reader's time zone.
process.env.TZ = "America/New_York";

import assert from "node:assert/strict";
import test from "node:test";

import { openPage } from "./browser.js";

openPage("");
const { clock, localise, tick, tickSlowly } = await import("../../../mission_control/static/mission_control/page.js");

const NOW = Date.parse("2026-03-01T12:00:00Z");
let now = NOW;
Date.now = () => now;

/** Return what a page shows for a moment, by the name of its form. */
function shown(form, moment) {
  document.body.innerHTML = `<time data-${form} datetime="${moment}">by the server</time>`;
  localise(document);
  return document.querySelector("time").textContent;
}

test("a duration is minutes and seconds, and from one hour on also hours", () => {
  assert.deepEqual([0, 59, 61, 3599, 3600, 36_061].map(clock), ["00:00", "00:59", "01:01", "59:59", "1:00:00", "10:01:01"]);
});

test("a moment is shown in the reader's time zone, not the server's", () => {
  assert.equal(shown("clock", "2026-03-01T02:03:04Z"), "21:03:04");
  assert.equal(shown("minute", "2026-03-01T02:03:04Z"), "21:03");
  assert.equal(shown("day", "2026-03-01T02:03:04Z"), "Saturday, February 28");
  assert.equal(shown("date", "2026-03-01T02:03:04Z"), "Feb 28, 2026");
  assert.equal(shown("moment", "2026-03-01T02:03:04Z"), "Feb 28, 21:03");
});

test("how long ago something was is in the largest unit that it fills", () => {
  const ago = (seconds) => shown("ago", new Date(NOW - seconds * 1000).toISOString());
  assert.deepEqual([0, 59, 60, 3599].map(ago), ["now", "now", "1 min", "59 min"]);
  assert.deepEqual([3600, 86_399, 86_400, 864_000].map(ago), ["1 h", "23 h", "1 d", "10 d"]);
  assert.equal(shown("since", new Date(NOW - 120_000).toISOString()), "2 min ago");
  assert.equal(shown("since", new Date(NOW).toISOString()), "just now");
});

test("a moment of a server whose clock is ahead is now", () => {
  assert.equal(shown("ago", new Date(NOW + 60_000).toISOString()), "now");
});

test("what is not a moment stays as the server wrote it", () => {
  assert.equal(shown("clock", "soon"), "by the server");
});

test("relative times grow while the page is open", () => {
  assert.equal(shown("since", new Date(NOW).toISOString()), "just now");
  now = NOW + 180_000;
  tickSlowly();
  assert.equal(document.querySelector("time").textContent, "3 min ago");
  now = NOW;
});

test("an elapsed time grows by this browser's clock, however wrong that is", () => {
  document.body.innerHTML = '<time data-elapsed="75">01:15</time>';
  localise(document);
  now = NOW + 10_000;
  tick();
  assert.equal(document.querySelector("time").textContent, "01:25");
  now = NOW - 600_000;
  tick();
  assert.equal(document.querySelector("time").textContent, "00:00");
  now = NOW;
});
