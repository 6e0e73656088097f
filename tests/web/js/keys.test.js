// Keyboard shortcuts: which key does what, and when it does nothing.
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";

import { openPage, press, type, until } from "./browser.js";

openPage(`
  <input id="q">
  <a data-go="b" href="#board">Board</a>
  <details class="menu"><summary>More</summary><a href="#">Item</a></details>
  <dialog id="keys"></dialog>
  <dialog id="palette" data-from="/search"><input id="palette-q"><div id="palette-list"></div></dialog>
  <label hidden><input type="checkbox" data-keys-switch></label>`);
globalThis.fetch = async () => new Response("");
const { areOn } = await import("../../../mission_control/static/mission_control/keys.js");

const dialog = (id) => document.getElementById(id);
const box = () => document.querySelector("[data-keys-switch]");

beforeEach(() => {
  dialog("keys").close();
  dialog("palette").close();
  document.activeElement.blur();
  location.hash = "";
  localStorage.clear();
});

test("? opens the help sheet", () => {
  press("?");
  assert.ok(dialog("keys").open);
});

test("/ focuses the search field of the page", () => {
  assert.equal(press("/"), false);
  assert.equal(document.activeElement.id, "q");
});

test("Ctrl+K opens the palette, also from a field and with an empty search", () => {
  document.getElementById("q").focus();
  dialog("palette").querySelector("input").value = "old";
  assert.equal(press("k", { ctrlKey: true }), false);
  assert.ok(dialog("palette").open);
  assert.equal(document.activeElement.value, "");
});

test("G and then a letter goes to a page", () => {
  press("g");
  press("b");
  assert.equal(location.hash, "#board");
});

test("a letter alone goes nowhere, also right after it went somewhere", () => {
  press("g");
  press("b");
  location.hash = "";
  press("b");
  assert.equal(location.hash, "");
});

test("in a field, with a modifier, in a dialog, or repeated, a key does nothing", () => {
  document.getElementById("q").focus();
  press("?");
  document.getElementById("q").blur();
  for (const option of ["ctrlKey", "metaKey", "altKey", "repeat"]) press("?", { [option]: true });
  dialog("palette").showModal();
  press("?");
  assert.equal(dialog("keys").open, false);
});

test("switched off, single keys do nothing, and Ctrl+K still works", () => {
  assert.equal(box().closest("label").hidden, false);
  assert.ok(box().checked && areOn());
  box().click();
  assert.equal(areOn(), false);
  press("?");
  press("k", { ctrlKey: true });
  assert.equal(dialog("keys").open, false);
  assert.ok(dialog("palette").open);
  box().click();
  assert.ok(areOn());
});

test("Escape closes the open menu and focuses its button", () => {
  const menu = document.querySelector("details");
  menu.open = true;
  assert.equal(press("Escape"), false);
  assert.equal(menu.open, false);
  assert.equal(document.activeElement.localName, "summary");
  assert.equal(press("Escape"), true);
});

test("what is typed in the palette is searched for after a pause", async () => {
  const asked = [];
  globalThis.fetch = async (url) => (asked.push(url), new Response('<a id="h1" role="option">One</a><a id="h2" role="option">Two</a>'));
  press("k", { ctrlKey: true });
  type(document.activeElement, "re");
  type(document.activeElement, "report & co");
  await until(() => document.querySelector("[aria-selected=true]") && asked.length > 1);
  assert.deepEqual(asked, ["/search?q=", "/search?q=report%20%26%20co"]);
  const chosen = () => document.querySelector("[aria-selected=true]")?.textContent;
  assert.equal(chosen(), "One");
  press("ArrowDown");
  assert.equal(chosen(), "Two");
  assert.equal(document.activeElement.getAttribute("aria-activedescendant"), "h2");
});

test("Enter opens the chosen result, but not one of an earlier search", async () => {
  let finish;
  const opened = [];
  document.getElementById("palette-list").addEventListener("click", ({ target }) => opened.push(target.textContent));
  globalThis.fetch = async () => new Response('<a role="option">One</a>');
  press("k", { ctrlKey: true });
  await until(() => document.querySelector("[aria-selected=true]"));
  globalThis.fetch = () => new Promise((resolve) => { finish = () => resolve(new Response('<a role="option">Two</a>')); });
  type(document.activeElement, "two");
  press("Enter");
  await until(() => finish);
  press("Enter");
  finish();
  await until(() => document.querySelector("[aria-selected=true]"));
  press("Enter");
  assert.deepEqual(opened, ["Two"]);
  assert.equal(dialog("palette").open, false);
});
