// Newer markup of the server on the page: what changes, and what the user or a script has made stays.
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";

import { openPage, type, until } from "./browser.js";

openPage("<main></main>", 'data-user="ada" data-logout="/logout"');
globalThis.BroadcastChannel = class extends EventTarget {};
window.Idiomorph = (await import("idiomorph")).Idiomorph;
const { morph, refresher } = await import("../../../mission_control/static/mission_control/refresh.js");

const one = (selector) => document.querySelector(selector);
const part = () => one("#part");
const pause = () => new Promise((resolve) => { setTimeout(resolve); });

/** Show a part as the page has it at first. */
function show(markup) {
  one("main").innerHTML = `<section id="part">${markup}</section>`;
}

/** Show newer markup of the part. */
function refresh(markup) {
  const template = document.createElement("template");
  template.innerHTML = `<section id="part">${markup}</section>`;
  morph(part(), template.content.firstElementChild);
}

/** Return what changes on the page while `act` runs. */
async function changesDuring(act) {
  const found = [];
  const observer = new MutationObserver((records) => { found.push(...records); });
  observer.observe(document.body, { attributes: true, characterData: true, childList: true, subtree: true });
  await act();
  await pause();
  observer.disconnect();
  return found.map(({ type: kind, target, attributeName }) => `${kind} ${attributeName} ${target.nodeName}`);
}

beforeEach(() => {
  one("main").replaceChildren();
  document.activeElement.blur();
  sessionStorage.clear();
});

const EVERYTHING = `
  <time data-ago datetime="2026-01-01T00:00:00Z">Jan 1</time> <time data-elapsed="3.2">00:03</time>
  <details class="menu"><summary data-key="k">Menu</summary><form method="post" action="/a"><input name="tags" value="a"></form></details>
  <form method="post" action="/b"><input type="hidden" name="csrfmiddlewaretoken" value="TOKEN">
    <input type="hidden" name="basis" value='{"at":"TOKEN","of":{"title":"1"}}'><textarea name="text">One</textarea>
    <input type="radio" name="agent" value="1" checked><input type="radio" name="agent" value="2">
    <select name="version"><option value="2">v2</option><option value="1">v1</option></select></form>`;

test("markup without news changes nothing, though its tokens and elapsed times are new", async () => {
  show("");
  refresh(EVERYTHING.replaceAll("TOKEN", "first"));
  const changes = await changesDuring(() => refresh(EVERYTHING.replaceAll("TOKEN", "second").replace("3.2", "3.4")));
  assert.deepEqual(changes, []);
});

test("what is new is shown, and the elements around it stay the same ones", () => {
  show("<p>Old</p><ul><li id='a'>A</li></ul>");
  const item = one("#a");
  refresh("<p>New</p><ul><li id='b'>B</li><li id='a'>A</li></ul>");
  assert.equal(part().textContent, "NewBA");
  assert.equal(one("#a"), item);
});

test("text that is being typed stays with its form, and the rest of the part is refreshed", async () => {
  const form = (text) => `<form id="f" method="post" action="/b"><textarea name="text">${text}</textarea></form>`;
  show(`<p>Old</p>${form("One")}`);
  await pause();
  one("textarea").focus();
  type(one("textarea"), "One and a half");
  refresh(`<p>New</p>${form("Two")}`);
  assert.equal(one("p").textContent, "New");
  assert.equal(one("textarea").value, "One and a half");
  type(one("textarea"), "One");
  one("textarea").blur();
  await pause();
  assert.equal(one("textarea").value, "Two");
});

test("values that the server changed are not taken for typed ones", () => {
  const form = (title) => `<form method="post" action="/b"><input name="title" value="${title}"></form>`;
  show(form("One"));
  refresh(form("Two"));
  refresh(form("Three"));
  assert.equal(one("input").value, "Three");
});

test("an open menu does not change until it is closed", async () => {
  const menu = (name) => `<details class="menu"><summary data-key="k">${name}</summary><p>${name}</p></details>`;
  show(menu("Old"));
  one("details").open = true;
  await pause();
  refresh(menu("New"));
  assert.equal(one("details").textContent, "OldOld");
  assert.equal(one("details").open, true);
  one("details").open = false;
  await pause();
  await pause();
  assert.equal(one("details").textContent, "NewNew");
});

test("a part waits as a whole while it would take away what the user is using", async () => {
  show('<p>Old</p><form id="f" method="post" action="/b"><input name="text"></form>');
  one("input").focus();
  refresh("<p>New</p>");
  assert.equal(one("p").textContent, "Old");
  one("input").blur();
  await pause();
  assert.equal(part().innerHTML, "<p>New</p>");
});

test("choices that the user made stay, new ones are not chosen, and one that is gone is the server's again", () => {
  const box = (value, isChecked) => `<input type="checkbox" name="run" value="${value}"${isChecked ? " checked" : ""}>`;
  const agent = (value, isChecked) => `<input type="radio" name="agent" value="${value}"${isChecked ? " checked" : ""}>`;
  const chosen = (name) => [...part().querySelectorAll(`[name=${name}]:checked`)].map((field) => field.value);
  show(`${box(2, true)}${box(1, false)}${agent(1, true)}${agent(2)}`);
  one("[value='1'][name=run]").checked = true;
  one("[value='2'][name=agent]").checked = true;
  refresh(`${box(3, true)}${box(2, true)}${box(1, false)}${agent(0)}${agent(1, true)}${agent(2)}`);
  assert.deepEqual([chosen("run"), chosen("agent")], [["2", "1"], ["2"]]);
  refresh(`${box(3, true)}${agent(0)}${agent(1, true)}`);
  assert.deepEqual([chosen("run"), chosen("agent")], [[], ["1"]]);
});

test("choices that the user did not make are the server's", () => {
  const option = (value, chosen) => `<option value="${value}"${value === chosen ? " selected" : ""}>${value}</option>`;
  const select = (chosen) => `<select name="v">${option(1, chosen)}${option(2, chosen)}</select>`;
  show(select(1));
  refresh(select(2));
  assert.equal(one("select").value, "2");
  refresh(select(1));
  assert.equal(one("select").value, "1");
});

test("what the user opened stays open, what the server opens opens, and what is closed then stays closed", () => {
  const fold = (attributes) => `<details class="fold" ${attributes}><summary>S</summary></details>`;
  show(fold(""));
  one("details").open = true;
  refresh(fold(""));
  assert.equal(one("details").open, true);
  one("details").open = false;
  refresh(fold("open data-opened"));
  assert.equal(one("details").open, true);
  one("details").open = false;
  refresh(fold("open data-opened"));
  assert.equal(one("details").open, false);
});

test("what a script keeps, or has loaded, stays", () => {
  const markup = '<p data-keep>Server</p><details><div class="fold-body">Link</div></details>';
  show(markup);
  one("p").textContent = "Script";
  one("details").innerHTML = '<div class="fold-body" data-loaded="/content">Content</div>';
  refresh(markup);
  assert.equal(part().textContent, "ScriptContent");
});

test("the focus goes to the element that took the place of the focused one", () => {
  show('<form id="run"><button data-key="go">Run</button></form>');
  one("button").focus();
  refresh('<p>Running</p><form id="stop"><button data-key="go">Stop</button></form>');
  assert.equal(document.activeElement.textContent, "Stop");
});

test("scripts prepare newer markup before it is compared with what they prepared on the page", async () => {
  const prepare = ({ detail }) => { for (const text of detail.querySelectorAll("i")) text.textContent = "prepared"; };
  document.addEventListener("mc:fresh", prepare);
  show("<i>prepared</i>");
  assert.deepEqual(await changesDuring(() => refresh("<i>raw</i>")), []);
  document.removeEventListener("mc:fresh", prepare);
});

/** Answer requests when the test says so. Return the requests that wait for their answer. */
function holdRequests() {
  const held = [];
  globalThis.fetch = (url) => new Promise((resolve) => {
    held.push((markup, status = 200) => resolve({ url, status, ok: status === 200, headers: new Headers(), text: async () => markup }));
  });
  return held;
}

const asPart = (markup) => `<section id="part">${markup}</section>`;

test("calls while a request is answered lead to one more request, not to several", async () => {
  const held = holdRequests();
  show("0");
  const refresh = refresher(() => "/part", { everyMs: 1 });
  refresh();
  await until(() => held.length === 1);
  refresh();
  await pause();
  refresh();
  held.shift()(asPart("1"));
  await until(() => held.length === 1);
  assert.equal(part().textContent, "1");
  held.shift()(asPart("2"));
  await until(() => part().textContent === "2");
  await pause();
  assert.equal(held.length, 0);
});

test("an answer that is older than what the page shows is dropped", async () => {
  const held = holdRequests();
  show("Newest");
  const refresh = refresher(() => "/part", { everyMs: 1 });
  refresh();
  await until(() => held.length === 1);
  refresh.outdate();
  held.shift()(asPart("Older"));
  await pause();
  await pause();
  assert.equal(part().textContent, "Newest");
});

test("a page that is gone says so, and a lost connection changes nothing", async () => {
  const held = holdRequests();
  let isGone = false;
  show("Shown");
  const refresh = refresher(() => "/part", { everyMs: 1, onGone: () => { isGone = true; } });
  refresh();
  await until(() => held.length === 1);
  held.shift()("Not found", 404);
  await until(() => isGone);
  globalThis.fetch = () => Promise.reject(new TypeError("no connection"));
  refresh();
  await pause();
  await pause();
  assert.equal(part().textContent, "Shown");
});

/** Show or hide the tab. */
function setHidden(isHidden) {
  Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}

test("while the server is unavailable a refresh is tried again, so that nothing is missed", async () => {
  const held = holdRequests();
  show("Old");
  refresher(() => "/part", { everyMs: 1, againMs: 1 })();
  await until(() => held.length === 1);
  held.shift()("Bad gateway", 502);
  await until(() => held.length === 1);
  held.shift()(asPart("New"));
  await until(() => part().textContent === "New");
});

test("a hidden tab requests nothing, and what has changed once when it is visible again", async () => {
  const held = holdRequests();
  show("0");
  const refresh = refresher(() => "/part", { everyMs: 1 });
  setHidden(true);
  for (let call = 0; call < 3; call++) {
    refresh();
    await new Promise((resolve) => { setTimeout(resolve, 5); });
  }
  assert.equal(held.length, 0);
  setHidden(false);
  await until(() => held.length === 1);
  held.shift()(asPart("1"));
  await until(() => part().textContent === "1");
  await pause();
  assert.equal(held.length, 0);
});
