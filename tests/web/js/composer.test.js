// How a message to the task reaches an agent, with and without a mention.
import assert from "node:assert/strict";
import test from "node:test";

import { openPage } from "./browser.js";

openPage(`
  <form id="composer">
    <textarea id="say-it"></textarea>
    <data id="mention-names" data-agents='{"ada": "Ada", "ada-byron": "Ada Byron", "bob": "Bob"}'></data>
    <p id="composer-reach" data-how="follow_up" data-agent="Ada" data-sentence="Starts a new run of Ada."></p>
    <button id="composer-run"><span data-run-label>Send and run</span></button>
  </form>`);
const { mentioned, reachOf, send } = await import("../../../mission_control/static/mission_control/composer.js");

const NAMES = { ada: "Ada", "ada-byron": "Ada Byron", bob: "Bob" };
const live = { how: "live", agent: "Ada", sentence: "Reaches Ada live." };
const field = document.querySelector("textarea");
const button = document.querySelector("button");

/** @param {string} text */
function write(text) {
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

test("the agents that a text mentions are found in order, each once, and nobody else", () => {
  assert.deepEqual(mentioned("@Bob and @ada-byron, @bob @carol a@ada /@ada", NAMES), ["bob", "ada-byron"]);
  assert.deepEqual(mentioned("@toString", NAMES), []);
});

test("the button offers to run with the agent that is mentioned first, and the line says so", () => {
  write("Check it, @bob and @ada");
  assert.equal(button.textContent, "Send and run with @bob");
  assert.match(document.getElementById("composer-reach").textContent, /a new run of Bob/);
  write("Check it");
  assert.equal(button.textContent, "Send and run");
  assert.equal(document.getElementById("composer-reach").textContent, "Starts a new run of Ada.");
});

test("a message that mentions only other agents does not reach the one that works", () => {
  assert.match(reachOf(live, "@bob look", NAMES).sentence, /kept in the thread, and @bob/);
  assert.equal(reachOf(live, "@bob @ada look", NAMES).sentence, live.sentence);
});

test("the keys send, and run only if a run is possible", () => {
  const sent = [];
  field.form.requestSubmit = (by) => sent.push(by?.id ?? "");
  send(field, false);
  send(field, true);
  button.disabled = true;
  send(field, true);
  assert.deepEqual(sent, ["", "composer-run"]);
});
