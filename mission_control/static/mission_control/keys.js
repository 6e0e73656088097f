/* Keyboard shortcuts. The help sheet can switch off those of a single key for this browser, because users who
   dictate, or whose hand rests on the keys, would trigger them by accident (WCAG 2.1.4). */
import { byId, openDialog } from "./page.js";
import { openPalette } from "./palette.js";

const SWITCH = "mc-keys";

/**
 * Tell whether shortcuts of a single key are on.
 * @returns {boolean}
 */
export function areOn() {
  try {
    return localStorage.getItem(SWITCH) !== "off";
  } catch {
    return true; // the browser blocks storage
  }
}

/** Show the current state in the switches of the help sheet. */
function showSwitch() {
  for (const box of document.querySelectorAll("[data-keys-switch]")) {
    box.checked = areOn();
    box.closest("label").hidden = false;
  }
}

document.addEventListener("change", ({ target }) => {
  if (!target.matches("[data-keys-switch]")) return;
  try {
    localStorage.setItem(SWITCH, target.checked ? "on" : "off");
  } finally {
    showSwitch();
  }
});
addEventListener("storage", showSwitch);
showSwitch();

const place = (key) => document.querySelector(`[data-go="${CSS.escape(key)}"]`);
const newTask = () => byId("new-task")?.href ?? document.body.dataset.newTask;
let goneAt = 0;

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeMenus(event);
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return openPalette();
  }
  if (!areOn() || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (document.querySelector("dialog[open]") || event.target.closest("input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]")) return;
  const key = event.key.toLowerCase();
  if (Date.now() - goneAt < 1500 && place(key)) return location.assign(place(key).href);
  goneAt = key === "g" ? Date.now() : 0;
  if (event.key === "?") byId("keys").showModal();
  else if (key === "n" && newTask()) openDialog(newTask());
  else if (key === "/") (byId("q") ? byId("q").focus() : openPalette());
  else return;
  event.preventDefault();
});

/** Close the open menu and focus its button. */
function closeMenus(event) {
  const menu = event.target.closest?.("details.menu[open]") ?? document.querySelector("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
  event.preventDefault();
}
