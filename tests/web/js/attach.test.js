// Files chosen as attachments: named, or refused before they are sent.
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";

import { openPage, until } from "./browser.js";

openPage(`
  <form>
    <div data-attach>
      <input type="file" multiple data-most-bytes="5242880">
      <span data-chosen data-hint="Up to 5 MB">Up to 5 MB</span>
      <button type="button" data-unattach hidden>Remove</button>
    </div>
  </form>`);
await import("../../../mission_control/static/mission_control/attach.js");

const MB = 2 ** 20;
const input = document.querySelector("input");
const note = document.querySelector("[data-chosen]");
const remove = document.querySelector("[data-unattach]");

/** Let the field hold these files. In a browser, and so here, a script can only empty it. */
const hold = (files) => Object.defineProperty(input, "files", { value: files, configurable: true });
Object.defineProperty(input, "value", { set() { hold([]); } });

/**
 * Choose files, as a user does.
 * @param {...[string, number]} files names and sizes
 */
function choose(...files) {
  hold(files.map(([name, size]) => ({ name, size })));
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

beforeEach(() => choose());

test("the names of the chosen files are shown, with a button that removes them", () => {
  choose(["a.md", 10], ["b.png", 5 * MB]);
  assert.equal(note.textContent, "a.md, b.png");
  assert.equal(remove.hidden, false);
  remove.click();
  assert.equal(note.textContent, "Up to 5 MB");
  assert.equal(remove.hidden, true);
  assert.equal(document.activeElement, input);
});

test("a file that is too large is refused by name, and none is kept", () => {
  choose(["a.md", 10], ["film.mp4", 5 * MB + 1]);
  assert.equal(note.textContent, "film.mp4 is larger than 5 MB.");
  assert.ok(note.classList.contains("err"));
  assert.equal(input.files.length, 0);
  choose(["a.md", 10]);
  assert.equal(note.classList.contains("err"), false);
});

test("files that are too large together are refused", () => {
  choose(["a", 5 * MB], ["b", 4.6 * MB]);
  assert.equal(note.textContent, "These files are too large together. Upload them separately.");
});

test("a form that is reset shows the hint again", async () => {
  choose(["a.md", 10]);
  hold([]);
  document.querySelector("form").reset();
  await until(() => note.textContent === "Up to 5 MB");
});
