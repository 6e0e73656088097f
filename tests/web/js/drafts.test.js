// Drafts: what is stored of a form, and when it is restored, discarded or asked about.
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";

import { openPage, type, until } from "./browser.js";

openPage(
  `<main></main>
  <template id="blank-draft"><p data-draft-note>A draft was restored. <button type="button">Discard</button></p></template>`,
  'data-user="ada" data-logout="/logout"',
);
globalThis.BroadcastChannel = class extends EventTarget {};
const { isDirty, leaveToLogin, taken } = await import("../../../mission_control/static/mission_control/drafts.js");

const KEY = "mc-draft /tasks/1 f";
const FIELDS = `
  <input name="title" value="First">
  <textarea name="text"></textarea>
  <input name="secret" type="password">
  <input name="csrf" type="hidden" value="t">
  <input name="on" type="checkbox" value="yes" checked>
  <select name="agent"><option value="">None</option><option value="1">Ada</option></select>`;

const form = () => document.querySelector("form");
const field = (name) => form().elements.namedItem(name);
const stored = () => JSON.parse(sessionStorage.getItem(KEY));
const leave = () => window.dispatchEvent(new Event("pagehide")); // stores at once what was typed a moment ago

/** Show a form, as a page or a dialog does, and wait until drafts.js has seen it. */
async function show(fields = FIELDS, attributes = "") {
  document.querySelector("main").innerHTML = `<form id="f" method="post" action="/tasks/1" ${attributes}>${fields}</form>`;
  await new Promise((resolve) => { setTimeout(resolve); });
}

beforeEach(async () => {
  leave();
  sessionStorage.clear();
  document.querySelector("main").replaceChildren();
});

test("only fields that differ from their first value are stored", async () => {
  await show();
  type(field("title"), "Second");
  leave();
  assert.deepEqual(stored().fields, { title: ["Second"] });
  assert.equal(stored().owner, "ada");
});

test("what is typed is stored soon by itself", async () => {
  await show();
  type(field("text"), "a");
  type(field("text"), "ab");
  await until(stored);
  assert.deepEqual(stored().fields, { text: ["ab"] });
});

test("passwords and hidden fields are never stored", async () => {
  await show();
  type(field("secret"), "hunter2");
  type(field("csrf"), "other");
  leave();
  assert.equal(stored(), null);
});

test("a text that is typed and taken back is no draft", async () => {
  await show();
  type(field("title"), "Second");
  leave();
  type(field("title"), "First");
  leave();
  assert.equal(stored(), null);
  assert.equal(isDirty(), false);
});

test("a form that is shown again has the values of its draft, and a note", async () => {
  await show();
  type(field("title"), "Second");
  field("on").click();
  field("agent").value = "1";
  type(field("text"), "Hello");
  leave();
  await show();
  assert.deepEqual([field("title").value, field("text").value, field("on").checked, field("agent").value], ["Second", "Hello", false, "1"]);
  assert.ok(form().querySelector("[data-draft-note]"));
  assert.ok(isDirty());
});

test("a discarded draft is gone, and the form has its first values", async () => {
  await show();
  type(field("title"), "Second");
  leave();
  await show();
  form().querySelector("[data-draft-note] button").click();
  leave();
  assert.equal(field("title").value, "First");
  assert.equal(stored(), null);
  assert.equal(form().querySelector("[data-draft-note]"), null);
  assert.equal(isDirty(), false);
});

test("a form that the server has taken is no longer a draft", async () => {
  await show();
  type(field("title"), "Second");
  taken(form());
  leave();
  assert.equal(stored(), null);
  assert.equal(isDirty(), false);
});

test("values that the server returned with errors are the draft now", async () => {
  await show();
  type(field("title"), "Second");
  leave();
  await show('<input name="title" value="Third" aria-invalid="true">');
  assert.equal(field("title").value, "Third");
});

test("a draft brings the version of the text that it began with, so that the server sees a conflict", async () => {
  const basis = (value) => `<textarea name="text"></textarea><input type="hidden" name="basis" value="${value}">`;
  await show(basis("v1"));
  type(field("text"), "Mine");
  leave();
  await show(basis("v2"));
  assert.equal(field("basis").value, "v1");
  form().reset();
  assert.equal(field("basis").value, "v2");
});

test("the draft of another user is not shown", async () => {
  sessionStorage.setItem(KEY, JSON.stringify({ owner: "grace", fields: { title: ["Hers"] }, page: "/" }));
  await show();
  assert.equal(field("title").value, "First");
});

test("a form that says so, or that only reads, has no draft", async () => {
  await show(FIELDS, "data-no-draft");
  type(field("title"), "Second");
  leave();
  assert.equal(stored(), null);
  document.querySelector("main").innerHTML = '<form id="f" method="get" action="/tasks/1"><input name="q"></form>';
  type(field("q"), "x");
  leave();
  assert.equal(stored(), null);
});

test("leaving a page with text that was not sent asks first, but not on the way to the login", async () => {
  const asks = () => !window.dispatchEvent(new Event("beforeunload", { cancelable: true }));
  await show();
  assert.equal(asks(), false);
  type(field("title"), "Second");
  assert.equal(asks(), true);
  leaveToLogin();
  assert.equal(asks(), false);
  window.dispatchEvent(new Event("pageshow"));
});

test("logging out removes all drafts, and nothing is stored after it", async () => {
  await show();
  type(field("title"), "Second");
  leave();
  document.body.insertAdjacentHTML("beforeend", '<form id="out" method="post" action="/logout"></form>');
  document.getElementById("out").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
  leave();
  assert.equal(sessionStorage.length, 0);
  document.getElementById("out").remove();
});

test("an element that appears in a form, such as a list of names, brings no older text back", async () => {
  await show('<textarea name="text"></textarea><ul></ul>');
  type(field("text"), "Hello ");
  leave();
  field("text").value = "Hello @"; // the list is drawn before the text is stored
  document.querySelector("ul").append(document.createElement("li"));
  await new Promise((resolve) => { setTimeout(resolve); });
  assert.equal(field("text").value, "Hello @");
});

test("fields that are added to a form get their values from its draft, the others keep theirs", async () => {
  await show('<input name="title"><div></div>');
  sessionStorage.setItem(KEY, JSON.stringify({ owner: "ada", fields: { title: ["Old"], option: ["Kept"] }, page: "/" }));
  field("title").value = "Newer";
  document.querySelector("form div").innerHTML = '<input name="option">';
  await new Promise((resolve) => { setTimeout(resolve); });
  assert.equal(field("option").value, "Kept");
  assert.equal(field("title").value, "Newer");
});
