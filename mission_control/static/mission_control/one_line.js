/* Markdown as one line of plain words. The server does the same for a page that it renders (web/shared/one_line.py). */
const FENCE = /^\s*(?:`{3,}|~{3,})/;
const LINE_MARKS = /^(?:\s|>|#{1,6}\s|[-*+]\s(?:\[[ xX]\]\s)?|\d{1,9}[.)]\s)+/;
const LINK = /!?\[([^[\]]{0,300})\]\([^()\s]{0,500}\)/g;
const MARKS = /\*{1,3}(?=\S)|(?<=\S)\*{1,3}|~~|`+|(?<![\p{L}\p{N}_])_{1,3}(?=[\p{L}\p{N}_])|(?<=[\p{L}\p{N}_])_{1,3}(?![\p{L}\p{N}_])/gu;
const WORDS = /[^\s|:=*_~`#>,+-]/;

/** Return one line without its marks; "" for one that is nothing but marks, such as a rule or a fence. */
export function wordsOf(line) {
  if (FENCE.test(line)) return "";
  const bare = line.replace(LINE_MARKS, "").replace(LINK, "$1").replace(MARKS, "").trim();
  const isRow = bare.startsWith("|") || bare.endsWith("|");
  const words = isRow ? bare.split("|").map((cell) => cell.trim()).filter(Boolean).join(", ") : bare;
  return WORDS.test(words) ? words : "";
}

/** Return the last line that says something; a carriage return begins the line anew. */
export function lastLine(text) {
  return text.split(/[\r\n]/).map(wordsOf).filter(Boolean).at(-1) ?? "";
}
