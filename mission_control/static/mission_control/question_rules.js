// @ts-check
/* Rules of questions without a page, so that they can be tested: the line for a notice, and when a key may answer. */

const SETTLE_MS = 1000;
const LINE_CHARS = 140;

/** @typedef {{id: string, task_id: string | null, kind: string, text: string, tool: {name: string} | null}} Question */

/**
 * Return a question in one line without most of its markup; for an approval, the tool.
 * @param {Pick<Question, "kind" | "text" | "tool">} question
 * @returns {string}
 */
export function lineOf({ kind, text, tool }) {
  if (kind === "approval") return `Approve ${tool?.name ?? "a tool"}?`;
  const lines = text.split("\n").map((line) => line.replace(/^[\s>#*+-]+|[*_`~]{1,3}/g, "").trim());
  const line = lines.find(Boolean) ?? "A question";
  return line.length > LINE_CHARS ? `${line.slice(0, LINE_CHARS - 1)}…` : line;
}

/**
 * Tell whether a card has been on the page so long that a key is meant for it.
 * @param {number | undefined} shownAt
 * @param {number} now
 * @returns {boolean}
 */
export const isSettled = (shownAt, now) => shownAt !== undefined && now - shownAt >= SETTLE_MS;
