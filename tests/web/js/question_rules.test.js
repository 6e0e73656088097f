// The line of a question for notices, and when a key may answer it.
import assert from "node:assert/strict";
import test from "node:test";

import { isSettled, lineOf } from "../../../mission_control/static/mission_control/question_rules.js";

const asks = (text) => lineOf({ kind: "question", text, tool: null });

test("a question is its first line with words, without markup", () => {
  assert.equal(asks("\n# Which **database**?\n\nWe need one."), "Which database?");
  assert.equal(asks("- `one` or"), "one or");
  assert.equal(asks(""), "A question");
});

test("a long question is cut", () => {
  assert.equal(asks("x".repeat(200)), `${"x".repeat(139)}…`);
});

test("an approval is named by its tool", () => {
  assert.equal(lineOf({ kind: "approval", text: "Anything", tool: { name: "Bash" } }), "Approve Bash?");
});

test("a key answers a card only when it has been there for a second", () => {
  assert.deepEqual([isSettled(undefined, 5000), isSettled(4500, 5000), isSettled(4000, 5000)], [false, false, true]);
});
