// @ts-check
/* Costs and numbers of tokens as `formatting.py` writes them, for values that change while the page is open. */

/**
 * Write a cost: $1,234.50; below ten cents with up to four decimals: $0.0042.
 * @param {number} amount
 * @returns {string}
 */
export function dollars(amount) {
  if (amount > 0 && amount < 0.00005) return "< $0.0001";
  const decimals = amount === 0 || amount >= 0.1 ? 2 : 4;
  const text = amount.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return `$${decimals === 4 ? text.replace(/00$/, "") : text}`;
}

/**
 * Write a number of tokens with all its digits: 18,412.
 * @param {number} number
 * @returns {string}
 */
export const fullCount = (number) => number.toLocaleString("en-US");

/** @typedef {{input_tokens: number | null, output_tokens: number | null, cost_usd: number | null}} Usage */

/**
 * Write one part of what a run has used, with its limit; "" if the backend has not said it.
 * @param {Usage} usage
 * @param {string | undefined} part "cost" or "tokens"
 * @param {string | undefined} limit
 * @returns {string}
 */
export function usedText({ input_tokens: given, output_tokens: made, cost_usd: cost }, part, limit) {
  const of = limit ? ` of ${limit}` : "";
  if (part === "cost") return cost === null ? "" : `${dollars(cost)}${of}`;
  return given === null && made === null ? "" : `${fullCount((given ?? 0) + (made ?? 0))}${of} tokens`;
}
