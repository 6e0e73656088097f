// @ts-check
/* The list of names that appears after an @. The user chooses with the arrow keys and inserts with Enter or Tab. */
import Combobox from "./vendor/combobox-nav-3.0.2.js";

const MOST = 8;

/**
 * Offer names while the user writes a mention in a text field.
 * @param {HTMLTextAreaElement} area
 * @param {HTMLElement} box the list that shows the names
 * @param {HTMLDataElement} names its value has all names; a refresh of the page adds new ones
 */
export function attachMentions(area, box, names) {
  /** @type {Combobox | null} */
  let combobox = null; // only while the list is open: it changes the role of the field

  const begun = () => /(?:^|[^\w+%/-])@([\w-]*)$/u.exec(area.value.slice(0, area.selectionStart))?.[1];

  function close() {
    combobox?.destroy();
    combobox = null;
    box.hidden = true;
  }

  function offer() {
    close();
    const start = begun()?.toLowerCase();
    if (start === undefined) return;
    const found = names.value.split(" ").filter((name) => name.startsWith(start) && name !== start).slice(0, MOST);
    if (!found.length) return;
    box.replaceChildren(...found.map(optionOf));
    box.hidden = false;
    combobox = new Combobox(area, box, { firstOptionSelectionMode: "selected" });
    combobox.start();
  }

  area.addEventListener("input", offer);
  area.addEventListener("blur", close);
  area.addEventListener("keydown", (event) => {
    if (event.isComposing) return event.stopImmediatePropagation(); // the key belongs to an input method
    if (event.key !== "Escape" || !combobox) return;
    close();
    event.preventDefault();
    event.stopPropagation();
  });
  box.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
  box.addEventListener("combobox-commit", ({ target }) => {
    const name = target instanceof HTMLElement ? target.dataset.name : "";
    area.setRangeText(`${name} `, area.selectionStart - (begun() ?? "").length, area.selectionStart, "end");
    close();
    area.dispatchEvent(new Event("input", { bubbles: true }));
  });
  if (document.activeElement === area) offer(); // the user was faster than the scripts of the page
}

/** @param {string} name */
function optionOf(name) {
  const item = document.createElement("li");
  Object.assign(item, { className: "item", textContent: `@${name}`, role: "option" });
  item.dataset.name = name;
  return item;
}
