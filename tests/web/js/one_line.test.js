// Markdown as one line: the same table as for the server's version (tests/web/run/test_transcript.py).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { lastLine, wordsOf } from "../../../mission_control/static/mission_control/one_line.js";

const ONE_LINE = JSON.parse(readFileSync(new URL("../run/one_line.json", import.meta.url), "utf8"));

for (const [line, words] of ONE_LINE) {
  test(`"${line}" is shown as "${words}"`, () => assert.equal(wordsOf(line), words));
}

test("a preview is the last line that has words", () => {
  assert.equal(lastLine("# Done\n| Module | State |\n|---|:-:|\n| **a** | ~~b~~ |\n```\n---\n"), "a, b");
  assert.equal(lastLine("---\n"), "");
});

test("a carriage return starts a new line, as a progress bar does", () => {
  assert.equal(lastLine("1%\r2%\r3%"), "3%");
});

test("a line of nothing but marks is read in linear time", () => {
  const began = performance.now();
  for (const mark of ["*", "_", "[", "`", "![", "> ", "- "]) wordsOf(mark.repeat(20_000));
  assert.ok(performance.now() - began < 1000);
});
