/* The slots above the board, and the newest line of each run's output. */
import { byId, localise, setText, swap } from "./page.js";

/**
 * Show new slots: replace only those that changed.
 * @param {DocumentFragment} fresh a fragment with the slots, or without them
 */
export function showSlots(fresh) {
  const strip = fresh.querySelector("#slots");
  if (!strip || !byId("slots")) return;
  const [old, now] = [byId("slots"), strip].map((one) => [...one.querySelectorAll(".slot")]);
  byId("slots-h").textContent = strip.querySelector("#slots-h").textContent;
  if (old.length !== now.length) {
    localise(strip);
    return byId("slots").replaceWith(strip);
  }
  for (const [index, slot] of now.entries()) {
    if (slot.dataset.key !== old[index].dataset.key) swap(old[index], slot);
  }
}

// Live collections, which cost nothing on a board with thousands of cards: only active runs have such a line.
const places = [document.getElementsByClassName("card-line"), document.getElementsByClassName("slot-line")];

/**
 * Show the newest line of output in each place that shows one of these runs.
 * @param {Record<string, string>} lines by run
 */
export function showLines(lines) {
  for (const place of places.flatMap((some) => [...some])) {
    const line = lines[place.dataset.lineOf];
    if (line) setText(place, line);
  }
}
