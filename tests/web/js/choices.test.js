// A text field with known values: which are offered, how one is chosen, and that any other can be typed.
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";

import { openPage, press, type } from "./browser.js";

openPage(`
  <form><input id="field" list="known"><input id="other"></form>
  <datalist id="known">
    <option value="openai:gpt-6"></option><option value="openai:gpt-6-mini"></option><option value="mistral:large"></option>
  </datalist>`);
const [field, other, known] = ["field", "other", "known"].map((id) => document.getElementById(id));
await import("../../../mission_control/static/mission_control/choices.js");

const offered = () => [...document.querySelectorAll("#field-pop [role=option]")].map((item) => item.textContent);

beforeEach(() => {
  other.focus();
  field.value = "";
  field.focus();
});

test("the browser's own list is not shown too", () => {
  assert.equal(field.hasAttribute("list"), false);
});

test("a click or the arrow key shows all values, whatever is in the field", () => {
  field.value = "mistral:large";
  field.click();
  assert.equal(offered().length, 3);
  press("Escape");
  assert.deepEqual(offered(), []);
  press("ArrowDown");
  assert.equal(offered().length, 3);
});

test("values that contain all typed words are offered, whatever their case", () => {
  type(field, "MINI open");
  assert.deepEqual(offered(), ["openai:gpt-6-mini"]);
  type(field, "nothing like it");
  assert.deepEqual(offered(), []);
  assert.equal(field.value, "nothing like it");
});

test("a value is chosen with the mouse, and the form hears of it", () => {
  let heard = 0;
  field.addEventListener("change", () => heard++, { once: true });
  type(field, "mini");
  document.querySelector("#field-pop [role=option]").click();
  assert.deepEqual([field.value, heard, offered()], ["openai:gpt-6-mini", 1, []]);
});

test("values that arrive later are offered too, and of many the first fifty", () => {
  known.innerHTML = Array.from({ length: 60 }, (_, number) => `<option value="m${number}"></option>`).join("");
  field.click();
  assert.equal(offered().length, 50);
  assert.match(document.getElementById("field-pop").textContent, /10 more: type to filter/u);
});

test("the list closes when the user leaves the field", () => {
  field.click();
  other.focus();
  assert.deepEqual(offered(), []);
});
