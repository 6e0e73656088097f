/* The slots above the board, and the last line of each run's output. */
import { byId, fetchFragment, localise, parse, swap } from "./page.js";
import { area } from "./board_cards.js";
import { lastLine } from "./one_line.js";

// ── Slots ────────────────────────────────────────────────────────────
let slotsAgain = false;
let slotsFetching = false;

/** Fetch the slots; calls during a request lead to one more request after it. */
export async function refreshSlots() {
  if (!area.dataset.slots) return;
  if (slotsFetching) return void (slotsAgain = true);
  slotsFetching = true;
  try {
    const response = await fetchFragment(area.dataset.slots);
    if (response.ok) takeSlots(parse(await response.text()));
  } catch {
    // The slots are fetched again when the connection is back.
  }
  slotsFetching = false;
  if (slotsAgain) {
    slotsAgain = false;
    refreshSlots();
  }
}

/** Replace only the slots that changed. */
function takeSlots(fresh) {
  const [old, now] = [[...document.querySelectorAll("#slots .slot")], [...fresh.querySelectorAll(".slot")]];
  byId("slots-h").textContent = fresh.querySelector("#slots-h").textContent;
  if (old.length !== now.length) {
    localise(fresh);
    return byId("slots").replaceWith(fresh.querySelector("#slots"));
  }
  for (const [index, slot] of now.entries()) {
    if (slot.dataset.key !== old[index].dataset.key) swap(old[index], slot);
  }
}

// ── The last line of each run's output ───────────────────────────────
const KEPT_CHARS = 400;
const tails = new Map();
let drawingLines = false;

/** Add the output of a frame to the end of what is kept for its run, and show its last line soon. */
export function hear({ run_id: run, output_type: kind, content }) {
  if (kind !== "message" && kind !== "tool_use") return;
  const said = kind === "message" ? content : `\n${content.replace(/^Using tool: /, "Using ").slice(0, 160)}\n`;
  tails.set(run, ((tails.get(run) ?? "") + said).slice(-KEPT_CHARS));
  if (drawingLines) return;
  drawingLines = true;
  setTimeout(drawLines, document.hidden ? 1000 : 150);
}

// Escape sequences, control characters and direction marks that could make the line look like something else.
const TRICKS = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

/** Show the last line of the output in each place that shows a run. */
function drawLines() {
  drawingLines = false;
  for (const place of document.querySelectorAll("[data-line-of]")) {
    const tail = tails.get(place.dataset.lineOf);
    if (!tail) continue;
    const line = lastLine(tail.replace(TRICKS, ""));
    if (line) place.textContent = line.slice(-160);
  }
}

export const forget = (run) => tails.delete(run);
