// Costs and tokens as `formatting.py` writes them (tests/test_formatting.py has the same values).
import assert from "node:assert/strict";
import test from "node:test";

import { dollars, fullCount, usedText } from "../../../mission_control/static/mission_control/amounts.js";

test("a cost has cents, below ten cents up to four decimals", () => {
  const amounts = [0, 0.00001, 0.0042, 0.05, 0.1, 3.59, 1234.5];
  assert.deepEqual(amounts.map(dollars), ["$0.00", "< $0.0001", "$0.0042", "$0.05", "$0.10", "$3.59", "$1,234.50"]);
});

test("a number of tokens has all its digits", () => {
  assert.equal(fullCount(18412), "18,412");
});

test("what a run has used is written with its limit, and not at all while it is unknown", () => {
  const usage = { input_tokens: 12000, output_tokens: null, cost_usd: 3.59 };
  assert.equal(usedText(usage, "cost", "$5"), "$3.59 of $5");
  assert.equal(usedText(usage, "cost", ""), "$3.59");
  assert.equal(usedText(usage, "tokens", "50,000"), "12,000 of 50,000 tokens");
  const unknown = { input_tokens: null, output_tokens: null, cost_usd: null };
  assert.deepEqual([usedText(unknown, "cost", "$5"), usedText(unknown, "tokens", "")], ["", ""]);
});
