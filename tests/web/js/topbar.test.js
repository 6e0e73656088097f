// The numbers in the top bar, in the title of the page and on its icon.
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";

import { openPage } from "./browser.js";

openPage(`
  <p id="say"></p>
  <a id="capacity" data-running="0" data-max-pips="10"><span class="pips" hidden></span><span class="cap-w"></span></a>
  <a id="notifications-link" href="/notifications" data-count="0"><span class="count" hidden></span></a>`);
document.head.innerHTML = '<link id="favicon" href="/idle.svg" data-live="/live.svg">';
document.title = "Board";
const { showCapacity, showNotifications } = await import("../../../mission_control/static/mission_control/topbar.js");

const capacity = document.getElementById("capacity");
const icon = () => document.getElementById("favicon").getAttribute("href");
const pips = () => [...capacity.querySelectorAll(".pips i")].map((pip) => pip.className);
const said = () => document.getElementById("say").textContent;
const bell = document.getElementById("notifications-link");

beforeEach(() => {
  showNotifications(0);
  document.getElementById("say").textContent = "";
});

test("slots in use are counted with those of runs that a worker has not begun yet", () => {
  showCapacity({ limit: 3, running: 1, queued: 1, waiting: 0, available: 1 });
  assert.equal(capacity.querySelector(".cap-w").textContent, "2 of 3");
  assert.deepEqual(pips(), ["on", "on", ""]);
  assert.equal(capacity.hasAttribute("data-full"), false);
  assert.deepEqual([document.title, icon()], ["(2) Board", "/live.svg"]);
});

test("when all slots are in use, the queue is shown", () => {
  showCapacity({ limit: 2, running: 2, queued: 0, waiting: 4, available: 0 });
  assert.equal(capacity.querySelector(".cap-w").textContent, "2 of 2 · 4 queued");
  assert.ok(capacity.hasAttribute("data-full"));
});

test("when nothing runs, title and icon are as at first", () => {
  showCapacity({ limit: 2, running: 0, queued: 0, waiting: 0, available: 2 });
  assert.deepEqual([document.title, icon()], ["Board", "/idle.svg"]);
});

test("the title says that an agent asks until the question is answered", () => {
  const frame = (name) => document.dispatchEvent(new CustomEvent("mc:frame", {
    detail: { event_type: name, data: { question: { id: "one" } } },
  }));
  frame("mc_question_created");
  assert.equal(document.title, "Asks · Board");
  frame("mc_question_answered");
  assert.equal(document.title, "Board");
});

test("more slots than there is room for are a number only", () => {
  showCapacity({ limit: 11, running: 1, queued: 0, waiting: 0, available: 10 });
  assert.deepEqual(pips(), []);
  assert.equal(capacity.querySelector(".pips").hidden, true);
});

test("notifications are announced when there are more of them, not when there are fewer", () => {
  showNotifications(2);
  assert.equal(said(), "2 notifications.");
  assert.equal(bell.querySelector(".count").textContent, "2");
  document.getElementById("say").textContent = "";
  showNotifications(1);
  assert.equal(said(), "");
});

test("above 99 notifications the number is cut, and without any it is hidden", () => {
  showNotifications(100);
  assert.equal(bell.querySelector(".count").textContent, "99+");
  showNotifications(0);
  assert.equal(bell.querySelector(".count").hidden, true);
});
