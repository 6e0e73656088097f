// The slots above the board: each shows its run, and the focus never goes from one run to another.
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";

import { openPage } from "./browser.js";

openPage("<main></main>", 'data-user="ada" data-logout="/logout"');
globalThis.BroadcastChannel = class extends EventTarget {};
window.Idiomorph = (await import("idiomorph")).Idiomorph;
const { showSlots } = await import("../../../mission_control/static/mission_control/board_slots.js");

const strip = (...slots) => `<section id="slots"><h2 id="slots-h">Slots</h2>
  <div class="strip-grid" tabindex="0"><ol>${slots.join("")}</ol></div></section>`;
const slot = (run, status) => `<li class="slot" data-key="${run} ${status} "><form action="/runs/${run}/stop"><button>Stop</button></form>
  <p>${status}</p></li>`;

/** Show newer slots. */
function refresh(...slots) {
  const template = document.createElement("template");
  template.innerHTML = strip(...slots);
  showSlots(template.content);
}

beforeEach(() => {
  document.querySelector("main").innerHTML = strip(slot("a", "queued"), slot("b", "running"));
  document.querySelector("button").focus();
});

test("the focus stays on the button of a run whose state changes", () => {
  const button = document.activeElement;
  refresh(slot("a", "running"), slot("b", "running"));
  assert.equal(document.activeElement, button);
  assert.equal(document.querySelector("p").textContent, "running");
});

test("the focus leaves a slot that another run has taken", () => {
  refresh(slot("c", "queued"), slot("b", "running"));
  assert.equal(document.querySelector("form").getAttribute("action"), "/runs/c/stop");
  assert.equal(document.activeElement.className, "strip-grid");
});
