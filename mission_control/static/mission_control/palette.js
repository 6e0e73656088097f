// @ts-check
/* The command palette: a search on the server, whose results the arrow keys choose from. */
import { all, byId, closest, required } from "./dom.js";
import { fetchFragment, parse } from "./page.js";

const PAUSE_MS = 120;
let asked = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

const palette = () => required("palette", HTMLDialogElement);
const field = () => required("palette-q", HTMLInputElement);
const list = () => required("palette-list");

/** Close other dialogs and open the palette. */
export function openPalette() {
  if (!byId("palette") || palette().open) return;
  for (const other of all(document, "dialog[open]", HTMLDialogElement)) other.close();
  field().value = "";
  palette().showModal();
  field().focus();
  find("");
}

/**
 * Search for a text and show the results, unless a later search has begun.
 * @param {string} text
 */
async function find(text) {
  const mine = ++asked;
  try {
    const response = await fetchFragment(`${palette().dataset.from}?q=${encodeURIComponent(text)}`);
    if (mine !== asked || !response.ok) return;
    list().replaceChildren(parse(await response.text()));
    choose(0);
  } catch {
    list().textContent = "Can't reach the server.";
  }
}

const hits = () => all(list(), "[role=option]");

/**
 * Select the result with this number; past either end, continue from the other one.
 * @param {number} number
 */
function choose(number) {
  const found = hits();
  for (const hit of found) hit.setAttribute("aria-selected", "false");
  const chosen = found[(number + found.length) % found.length];
  if (!chosen) return field().removeAttribute("aria-activedescendant");
  chosen.setAttribute("aria-selected", "true");
  chosen.scrollIntoView({ block: "nearest" });
  field().setAttribute("aria-activedescendant", chosen.id);
}

const chosenNumber = () => hits().findIndex((hit) => hit.getAttribute("aria-selected") === "true");

byId("palette-q")?.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(() => find(field().value.trim()), PAUSE_MS);
});
byId("palette-q")?.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") choose(chosenNumber() + 1);
  else if (event.key === "ArrowUp") choose(chosenNumber() - 1);
  else if (event.key === "Escape") palette().close(); // otherwise the search field would only clear its text
  else if (event.key === "Enter") hits()[Math.max(chosenNumber(), 0)]?.click();
  else return;
  event.preventDefault();
});
byId("palette")?.addEventListener("click", (event) => {
  if (closest(event.target, "a")) palette().close();
});
