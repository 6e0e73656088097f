/* The list of names that appears after an @. Arrow keys choose, Enter or Tab inserts, Escape closes. */
const MOST = 8;

/**
 * Offer names while the user writes a mention in a text field.
 * @param {HTMLTextAreaElement} area
 * @param {HTMLElement} box the list that shows the names
 * @param {HTMLDataElement} names its value has all names; a refresh of the page adds new ones
 */
export function attachMentions(area, box, names) {
  let chosen = 0;
  let found = [];

  const begun = () => {
    const before = area.value.slice(0, area.selectionStart);
    return /(?:^|[^\w+%/-])@([\w-]*)$/u.exec(before)?.[1];
  };

  function close() {
    found = [];
    box.hidden = true;
    area.removeAttribute("aria-activedescendant");
  }

  function draw() {
    box.replaceChildren(...found.map((handle, number) => {
      const item = document.createElement("li");
      Object.assign(item, { id: `mention-${number}`, className: "item", textContent: `@${handle}` });
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(number === chosen));
      item.addEventListener("mousedown", (event) => {
        event.preventDefault();
        take(handle);
      });
      return item;
    }));
    box.hidden = false;
    area.setAttribute("aria-activedescendant", `mention-${chosen}`);
  }

  function offer() {
    const start = begun()?.toLowerCase();
    if (start === undefined) return close();
    found = names.value.split(" ").filter((handle) => handle.startsWith(start) && handle !== start).slice(0, MOST);
    chosen = 0;
    if (found.length) draw();
    else close();
  }

  function take(handle) {
    const start = area.selectionStart - begun().length;
    area.setRangeText(`${handle} `, start, area.selectionStart, "end");
    close();
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }

  area.addEventListener("input", offer);
  area.addEventListener("blur", close);
  area.addEventListener("keydown", (event) => {
    if (!found.length || event.ctrlKey || event.metaKey) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      chosen = (chosen + (event.key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
      draw();
    } else if (event.key === "Enter" || event.key === "Tab") take(found[chosen]);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  if (document.activeElement === area) offer(); // the user was faster than the scripts of the page
}
