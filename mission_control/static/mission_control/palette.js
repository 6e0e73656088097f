// @ts-check
/* The command palette: a search on the server. The user chooses a result with the arrow keys and Enter. */
import { all, byId, closest, required } from "./dom.js";
import { fetchFragment, parse } from "./page.js";
import Combobox from "./vendor/combobox-nav-3.0.2.js";

const PAUSE_MS = 120;
let searches = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

const palette = () => required("palette", HTMLDialogElement);
const field = () => required("palette-q", HTMLInputElement);
const list = () => required("palette-list");
const combobox = byId("palette") && new Combobox(field(), list(), { firstOptionSelectionMode: "selected" });

/** Close other dialogs and open the palette. */
export function openPalette() {
  if (!combobox || palette().open) return;
  for (const other of all(document, "dialog[open]", HTMLDialogElement)) other.close();
  field().value = "";
  list().replaceChildren();
  palette().showModal();
  field().focus();
  combobox.start();
  find("");
}

/**
 * Search for a text and show the results, unless a later search has begun.
 * @param {string} text
 */
async function find(text) {
  const mine = ++searches;
  try {
    const response = await fetchFragment(`${palette().dataset.from}?q=${encodeURIComponent(text)}`);
    const html = await response.text();
    if (mine !== searches || !response.ok) return;
    list().replaceChildren(parse(html));
    combobox?.resetSelection();
  } catch {
    list().textContent = "Can't reach the server.";
  }
}

byId("palette-q")?.addEventListener("input", () => {
  searches += 1; // results of the text before are not shown, so that Enter never opens one of them
  clearTimeout(timer);
  timer = setTimeout(() => find(field().value.trim()), PAUSE_MS);
});
byId("palette-q")?.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  palette().close(); // otherwise the search field would only clear its text
  event.preventDefault();
});
byId("palette")?.addEventListener("close", () => {
  searches += 1;
  combobox?.stop();
});
byId("palette")?.addEventListener("click", (event) => {
  if (closest(event.target, "a")) palette().close();
});
