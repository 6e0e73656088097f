// @ts-check
/* What active runs have used so far: the numbers in run bars, slots and cards (`run/_usage.html`). */
import { usedText } from "./amounts.js";
import { setText } from "./page.js";

const places = /** @type {HTMLCollectionOf<HTMLElement>} */ (document.getElementsByClassName("used"));

document.addEventListener("mc:frame", ({ detail: { event_type: name, data } }) => {
  if (name !== "mc_run_usage") return;
  for (const place of places) {
    if (place.dataset.usedBy !== data.run_id) continue;
    const text = usedText(data.usage, place.dataset.part, place.dataset.limit);
    if (text) setText(place, text);
  }
});
