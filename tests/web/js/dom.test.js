// Elements of a page by their kind; one that is missing is named.
import assert from "node:assert/strict";
import test from "node:test";

import { openPage } from "./browser.js";

openPage(`
  <form id="f"><input id="i" name="a"><a id="link" href="#"><svg id="s"><use></use></svg></a></form>
  <template id="t"><p class="note">Copy</p></template><template id="empty"></template>`);
const { all, byId, closest, copyOf, required, requiredIn } = await import("../../../mission_control/static/mission_control/dom.js");

test("an element is found by its id and kind", () => {
  assert.equal(required("i", HTMLInputElement), document.querySelector("input"));
  assert.equal(requiredIn(document, "[name=a]"), byId("i"));
});

test("one that is missing, or of another kind, is named in the error", () => {
  assert.throws(() => required("x"), { message: "This page has no element #x." });
  assert.throws(() => required("i", HTMLSelectElement), { message: "This page has no HTMLSelectElement #i." });
  assert.throws(() => requiredIn(document, "b.y"), { message: "This page has no element b.y." });
});

test("what an event hit is looked for around its target, also from within an icon", () => {
  assert.equal(closest(document.querySelector("use"), "a", HTMLAnchorElement), byId("link"));
  assert.equal(closest(document.querySelector("use"), "svg"), null); // an icon is no HTMLElement
  for (const target of [document, null, window]) assert.equal(closest(target, "a"), null);
});

test("only elements of a kind are listed", () => {
  assert.deepEqual(all(document, "form *", HTMLAnchorElement), [byId("link")]);
});

test("a template is copied, not moved", () => {
  assert.equal(copyOf("t").outerHTML, '<p class="note">Copy</p>');
  assert.notEqual(copyOf("t"), copyOf("t"));
  assert.throws(() => copyOf("empty"), /#empty is empty/);
});
