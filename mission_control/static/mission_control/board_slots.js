// @ts-check
/* The slots above the board, and the newest line of each run's output. */
import { all, byId, required, requiredIn } from "./dom.js";
import { localise, setText } from "./page.js";
import { morph } from "./refresh.js";

/**
 * Show new slots: change only those that are not the same.
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
    if (slot.dataset.key !== old[index].dataset.key) showSlot(shown, old[index], slot);
  }
}

/** @param {HTMLElement} slot @returns {string | undefined} its run, with which its key begins */
const runIn = (slot) => slot.dataset.key?.split(" ")[0];

/**
 * Show a changed slot. If it now has another run, the focus does not stay in it: Enter would stop the wrong run.
 * @param {HTMLElement} strip
 * @param {HTMLElement} old
 * @param {HTMLElement} slot
 */
function showSlot(strip, old, slot) {
  if (runIn(old) === runIn(slot)) return morph(old, slot);
  const isFocused = old.contains(document.activeElement);
  localise(slot);
  old.replaceWith(slot);
  window.htmx?.process(slot);
  if (isFocused) requiredIn(strip, ".strip-grid").focus({ preventScroll: true });
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
