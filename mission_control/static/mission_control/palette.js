/* The command palette: a search on the server, whose results the arrow keys choose from. */
import { byId, fetchFragment, parse } from "./page.js";

const PAUSE_MS = 120;
let asked = 0;
let timer = null;

/** Close other dialogs and open the palette. */
export function openPalette() {
  const dialog = byId("palette");
  if (!dialog || dialog.open) return;
  for (const other of document.querySelectorAll("dialog[open]")) other.close();
  byId("palette-q").value = "";
  dialog.showModal();
  byId("palette-q").focus();
  find("");
}

/** Search for a text and show the results, unless a later search has begun. */
async function find(text) {
  const mine = ++asked;
  try {
    const response = await fetchFragment(`${byId("palette").dataset.from}?q=${encodeURIComponent(text)}`);
    if (mine !== asked || !response.ok) return;
    byId("palette-list").replaceChildren(parse(await response.text()));
    choose(0);
  } catch {
    byId("palette-list").textContent = "Can't reach the server.";
  }
}

const hits = () => [...byId("palette-list").querySelectorAll("[role=option]")];

/** Select the result with this number; past either end, continue from the other one. */
function choose(number) {
  const all = hits();
  for (const hit of all) hit.setAttribute("aria-selected", "false");
  const chosen = all[(number + all.length) % all.length];
  if (!chosen) return byId("palette-q").removeAttribute("aria-activedescendant");
  chosen.setAttribute("aria-selected", "true");
  chosen.scrollIntoView({ block: "nearest" });
  byId("palette-q").setAttribute("aria-activedescendant", chosen.id);
}

const chosenNumber = () => hits().findIndex((hit) => hit.getAttribute("aria-selected") === "true");

byId("palette-q")?.addEventListener("input", (event) => {
  clearTimeout(timer);
  timer = setTimeout(() => find(event.target.value.trim()), PAUSE_MS);
});
byId("palette-q")?.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") choose(chosenNumber() + 1);
  else if (event.key === "ArrowUp") choose(chosenNumber() - 1);
  else if (event.key === "Escape") byId("palette").close(); // otherwise the search field would only clear its text
  else if (event.key === "Enter") hits()[Math.max(chosenNumber(), 0)]?.click();
  else return;
  event.preventDefault();
});
byId("palette")?.addEventListener("click", (event) => {
  if (event.target.closest("a")) byId("palette").close();
});
