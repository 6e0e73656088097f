// @ts-check
/* The output fills the rest of the window, so that its newest line is visible without scrolling the page. */
import { byId } from "./dom.js";

const GAP_PX = 1; // smaller differences come from rounding

let isWanted = false; // the user has just started a run, and has not scrolled since

/**
 * Measure where the output begins whenever the page changes; the style sheet computes its height from that.
 * @param {HTMLElement} page
 */
export function fitOutput(page) {
  let known = -2 * GAP_PX;
  const measure = () => {
    const output = byId("output");
    if (!output) return;
    const top = output.getBoundingClientRect().top + window.scrollY;
    if (Math.abs(top - known) > GAP_PX) page.style.setProperty("--output-top", `${Math.ceil(top)}px`);
    known = top;
    if (isWanted) output.scrollIntoView({ block: "nearest" });
  };
  new ResizeObserver(measure).observe(page);
  for (const name of ["wheel", "touchmove", "keydown"]) {
    document.addEventListener(name, () => { isWanted = false; }, { passive: true });
  }
  measure();
}

/** Keep the output in view, also while it grows, until the reader scrolls. */
export function showOutput() {
  isWanted = true;
  byId("output")?.scrollIntoView({ block: "nearest" });
}
