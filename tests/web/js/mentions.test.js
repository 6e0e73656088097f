// Names after an @: which are offered, and how one is chosen.
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";

import { openPage, press, type } from "./browser.js";

openPage(`
  <textarea id="area"></textarea><ul id="box" role="listbox" hidden></ul>
  <data id="names" value="ada ada-byron grace quill"></data>`);
const [area, box, names] = ["area", "box", "names"].map((id) => document.getElementById(id));
const { attachMentions } = await import("../../../mission_control/static/mission_control/mentions.js");
attachMentions(area, box, names);

const offered = () => (box.hidden ? [] : [...box.children].map((item) => item.textContent));
const chosen = () => box.querySelector("[aria-selected=true]")?.textContent;

beforeEach(() => {
  type(area, "");
  area.focus();
});

test("names that begin with what is written are offered, whatever its case", () => {
  type(area, "Hello @");
  assert.deepEqual(offered(), ["@ada", "@ada-byron", "@grace", "@quill"]);
  type(area, "Hello @AD");
  assert.deepEqual(offered(), ["@ada", "@ada-byron"]);
  type(area, "Hello @x");
  assert.deepEqual(offered(), []);
});

test("a name that is written whole is not offered", () => {
  type(area, "@ada");
  assert.deepEqual(offered(), ["@ada-byron"]);
  type(area, "@quill");
  assert.deepEqual(offered(), []);
});

test("an @ within a word, an address or a path is no mention", () => {
  for (const text of ["ada@g", "a+b@g", "x/@g", "x-@g", "100%@g"]) {
    type(area, text);
    assert.deepEqual(offered(), [], text);
  }
  for (const text of ["(@g", "\n@g", "…@g"]) {
    type(area, text);
    assert.deepEqual(offered(), ["@grace"], text);
  }
});

test("what stands before the cursor counts, not the rest of the text", () => {
  area.value = "See @g and more";
  area.setSelectionRange(6, 6);
  area.dispatchEvent(new Event("input", { bubbles: true }));
  press("Enter");
  assert.equal(area.value, "See @grace  and more");
  assert.equal(area.selectionStart, 11);
});

for (const key of ["Enter", "Tab"]) {
  test(`${key} inserts the chosen name`, () => {
    let heard = 0;
    const hear = () => { heard += 1; };
    type(area, "@a");
    area.addEventListener("input", hear);
    press("ArrowDown");
    assert.equal(chosen(), "@ada-byron");
    assert.equal(press(key), false);
    area.removeEventListener("input", hear);
    assert.equal(area.value, "@ada-byron ");
    assert.deepEqual(offered(), []);
    assert.equal(heard, 1); // so that the draft is stored
  });
}

test("while the list is open, the field is a combobox for screen readers; otherwise it is a text field", () => {
  type(area, "@a");
  assert.equal(area.getAttribute("role"), "combobox");
  assert.equal(area.getAttribute("aria-expanded"), "true");
  assert.equal(document.getElementById(area.getAttribute("aria-activedescendant")).textContent, "@ada");
  press("Escape");
  for (const name of ["role", "aria-expanded", "aria-activedescendant"]) assert.equal(area.hasAttribute(name), false);
});

test("Escape closes the list and nothing else; without a list it is not ours", () => {
  type(area, "@a");
  assert.equal(press("Escape"), false);
  assert.deepEqual(offered(), []);
  assert.equal(press("Escape"), true);
});

test("Enter without a list is a new line", () => {
  type(area, "@x");
  assert.equal(press("Enter"), true);
});

test("while an input method composes a word, Enter belongs to it", () => {
  type(area, "@a");
  press("Enter", { isComposing: true });
  assert.equal(area.value, "@a");
  assert.equal(chosen(), "@ada");
});

test("a click chooses without taking the focus from the field", () => {
  type(area, "@g");
  const [item] = box.children;
  assert.equal(item.dispatchEvent(new MouseEvent("mousedown", { bubbles: true, cancelable: true })), false);
  item.click();
  assert.equal(area.value, "@grace ");
  assert.equal(document.activeElement, area);
});

test("leaving the field closes the list", () => {
  type(area, "@a");
  area.blur();
  assert.deepEqual(offered(), []);
});

test("names that a refresh brings are offered", () => {
  names.value += " zoe";
  type(area, "@z");
  assert.deepEqual(offered(), ["@zoe"]);
});
