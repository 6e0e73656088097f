// @ts-check
/* The slots above the board, and the newest line of each run's output. */
import { all, byId, required, requiredIn } from "./dom.js";
import { localise, setText, swap } from "./page.js";

/**
 * Show new slots: replace only those that changed.
 * @param {DocumentFragment} fresh a fragment with the slots, or without them
 */
export function showSlots(fresh) {
  const [strip, shown] = [fresh.querySelector("#slots"), byId("slots")];
  if (!strip || !shown) return;
  const [old, now] = [all(shown, ".slot"), all(strip, ".slot")];
  required("slots-h").textContent = requiredIn(strip, "#slots-h").textContent;
  if (old.length !== now.length) {
    localise(strip);
    return shown.replaceWith(strip);
  }
  for (const [index, slot] of now.entries()) {
    if (slot.dataset.key !== old[index].dataset.key) swap(old[index], slot);
  }
}

// Live collections, which cost nothing on a board with thousands of cards: only active runs have such a line.
const places = ["card-line", "slot-line"].map((name) =>
  /** @type {HTMLCollectionOf<HTMLElement>} */ (document.getElementsByClassName(name)));

/**
 * Show the newest line of output in each place that shows one of these runs.
 * @param {Record<string, string>} lines by run
 */
export function showLines(lines) {
  for (const place of places.flatMap((some) => [...some])) {
    const line = lines[place.dataset.lineOf ?? ""];
    if (line) setText(place, line);
  }
}
