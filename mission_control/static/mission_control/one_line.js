// @ts-check
/* Markdown as one line of plain text. The server does the same for the pages it renders (web/shared/one_line.py). */
const FENCE = /^\s*(?:`{3,}|~{3,})/;
const LINE_MARKS = /^(?:\s|>|#{1,6}\s|[-*+]\s(?:\[[ xX]\]\s)?|\d{1,9}[.)]\s)+/;
const LINK = /!?\[([^[\]]{0,300})\]\([^()\s]{0,500}\)/g;
const MARKS = /\*{1,3}(?=\S)|(?<=\S)\*{1,3}|~~|`+|(?<![\p{L}\p{N}_])_{1,3}(?=[\p{L}\p{N}_])|(?<=[\p{L}\p{N}_])_{1,3}(?![\p{L}\p{N}_])/gu;
const WORDS = /[^\s|:=*_~`#>,+-]/;

/**
 * Return one line without its Markdown marks, or "" if it has nothing else, such as a rule or a fence.
 * @param {string} line
 * @returns {string}
 */
export function wordsOf(line) {
  if (FENCE.test(line)) return "";
  const bare = line.replace(LINE_MARKS, "").replace(LINK, "$1").replace(MARKS, "").trim();
  const isRow = bare.startsWith("|") || bare.endsWith("|");
  const words = isRow ? bare.split("|").map((cell) => cell.trim()).filter(Boolean).join(", ") : bare;
  return WORDS.test(words) ? words : "";
}

/**
 * Return the last line that has words, without its Markdown marks. A carriage return starts a new line.
 * @param {string} text
 * @returns {string}
 */
export function lastLine(text) {
  return text.split(/[\r\n]/).map(wordsOf).filter(Boolean).at(-1) ?? "";
}
