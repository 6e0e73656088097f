// The entries of a run's output: added, grown in place, removed at the far end.
import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";

import { openPage } from "./browser.js";

openPage('<ol id="events"></ol>');
window.Idiomorph = (await import("idiomorph")).Idiomorph;
const { first, isFull, joins, last, position, prepend, put, replace, trim } = await import(
  "../../../mission_control/static/mission_control/output_entries.js"
);

const list = () => document.getElementById("events");
const shown = () => [...list().children].map((item) => item.textContent);

/**
 * Return a stretch as the server renders it.
 * @param {...[number, number, string]} entries first event, last event, text
 */
function stretch(...entries) {
  const part = document.createElement("ol");
  part.dataset.first = entries[0][0];
  part.dataset.last = entries.at(-1)[1];
  part.innerHTML = entries.map(([from, upto, text]) => `<li data-first="${from}" data-last="${upto}">${text}</li>`).join("");
  return part;
}

beforeEach(() => list().replaceChildren());

test("an empty list asks for everything", () => {
  assert.deepEqual([first(), last(), position()], [0, 0, 0]);
  assert.ok(joins(stretch([1, 1, "started"])));
});

test("the last entry is asked for again, because it may have grown", () => {
  put(stretch([1, 1, "started"], [2, 5, "Hello"]));
  assert.deepEqual([first(), last(), position()], [1, 5, 1]);
  assert.ok(joins(stretch([2, 7, "Hello you"])));
  assert.ok(joins(stretch([6, 7, "next"])));
  assert.equal(joins(stretch([9, 9, "later"])), false);
});

test("text that only became longer keeps its node, and so the selection in it", () => {
  put(stretch([1, 1, "started"], [2, 5, "Hello"]));
  const node = list().lastElementChild.firstChild;
  put(stretch([2, 7, "Hello you"], [8, 8, "next"]));
  assert.deepEqual(shown(), ["started", "Hello you", "next"]);
  assert.equal(list().children[1].firstChild, node);
});

test("details that the reader opened stay open in the newer version of their entry", () => {
  put(stretch([1, 2, "<details><summary>read</summary><p>one</p></details>"]));
  list().querySelector("details").open = true;
  put(stretch([1, 3, "<details><summary>read</summary><p>two</p></details>"]));
  assert.ok(list().querySelector("details").open);
  assert.equal(list().querySelector("p").textContent, "two");
});

test("entries that the server now divides differently are replaced, not doubled", () => {
  put(stretch([1, 1, "started"], [2, 3, "a"], [4, 5, "b"]));
  put(stretch([2, 5, "ab"], [6, 6, "c"]));
  assert.deepEqual(shown(), ["started", "ab", "c"]);
  put(stretch([4, 5, "b"], [6, 6, "c"], [7, 7, "d"]));
  assert.deepEqual(shown(), ["started", "ab", "b", "c", "d"]);
});

test("earlier entries come before the first, and a new start replaces all", () => {
  put(stretch([5, 5, "five"]));
  prepend(stretch([3, 3, "three"], [4, 4, "four"]));
  assert.deepEqual(shown(), ["three", "four", "five"]);
  replace(stretch([90, 90, "ninety"]));
  assert.deepEqual(shown(), ["ninety"]);
});

test("above 400 entries or 160,000 characters the far end is removed", () => {
  const many = (count, text = "x") => stretch(...Array.from({ length: count }, (_, index) => [index + 1, index + 1, text]));
  put(many(400));
  assert.deepEqual([isFull(), trim("firstElementChild")], [false, false]);
  replace(many(405));
  assert.deepEqual([isFull(), trim("firstElementChild"), first(), last()], [true, true, 6, 405]);
  replace(many(20, "y".repeat(10_000)));
  assert.deepEqual([isFull(), trim("lastElementChild"), first(), last()], [true, true, 1, 16]);
});

test("one entry stays, however long it is", () => {
  put(stretch([1, 1, "z".repeat(200_000)]));
  assert.equal(trim("firstElementChild"), false);
  assert.equal(last(), 1);
});
