// @ts-check
/* Marks the pressed button as busy while the browser sends its form. */
import { all } from "./dom.js";

document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || !(event.target instanceof HTMLFormElement) || event.target.method !== "post") return;
  event.submitter?.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", () => {
  for (const button of all(document, "[aria-busy=true][type=submit]")) button.removeAttribute("aria-busy");
});
