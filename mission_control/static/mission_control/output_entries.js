// @ts-check
/* The entries of a run's output that are on the page. Each names its first and last event. */
import { all, required } from "./dom.js";

const MOST_ITEMS = 400; // entries on the page; above it, or above MOST_CHARS characters, the far end is removed
const MOST_CHARS = 160000;

const list = () => required("events", HTMLOListElement);

/**
 * Return the entry at one end of the list.
 * @param {"firstElementChild" | "lastElementChild"} end
 */
const entryAt = (end) => /** @type {HTMLElement | null} */ (list()[end]);

/** Return the number of the first event on the page; 0 if there is none. */
export const first = () => Number(entryAt("firstElementChild")?.dataset.first ?? 0);

/** Return the number of the last event on the page; 0 if there is none. */
export const last = () => Number(entryAt("lastElementChild")?.dataset.last ?? 0);

/** Return the event after which the page wants more: the last entry is fetched again, because it may have grown. */
export const position = () => Number(entryAt("lastElementChild")?.dataset.first ?? 1) - 1;

/**
 * Tell whether a stretch follows what is shown without gap or overlap.
 * @param {HTMLElement} part
 */
export const joins = (part) =>
  Number(part.dataset.first) === last() + 1 || list().querySelector(`:scope > [data-first="${part.dataset.first}"]`) !== null;

/**
 * Add entries at the end. An entry that is shown in an older version grows in place, so that a selection in it, its
 * opened details and the focus stay.
 * @param {HTMLElement} part
 */
export function put(part) {
  const from = Number(part.dataset.first);
  const shown = all(list(), ":scope > *").filter((item) => Number(item.dataset.first) >= from);
  for (const item of all(part, ":scope > *")) {
    if (shown[0]?.dataset.first === item.dataset.first) {
      grow(shown[0], item);
      shown.shift();
    } else {
      for (const old of shown.splice(0)) old.remove();
      list().append(item);
    }
  }
  for (const old of shown) old.remove();
}

/**
 * Change an entry into its newer version. Text that only became longer keeps its node, and so the selection in it.
 * @param {HTMLElement} old
 * @param {HTMLElement} fresh
 */
function grow(old, fresh) {
  window.Idiomorph.morph(old, fresh, {
    callbacks: {
      beforeNodeMorphed(node, newer) {
        if (node.isEqualNode(newer)) return false;
        if (node instanceof Element && node.matches("[data-copy]")) return false; // the button may say "Copied"
        if (!(node instanceof Text && newer instanceof Text && newer.data.startsWith(node.data))) return true;
        node.appendData(newer.data.slice(node.data.length));
        return false;
      },
      beforeAttributeUpdated: (name) => name !== "open",
    },
  });
}

/**
 * Show these entries instead of all others.
 * @param {HTMLElement} part
 */
export const replace = (part) => list().replaceChildren(...part.children);

/**
 * Add entries before the first one.
 * @param {HTMLElement} part
 */
export const prepend = (part) => list().prepend(...part.children);

const size = () => list().textContent?.length ?? 0;

/** Tell whether there are more entries than the page should keep. */
export const isFull = () => size() > MOST_CHARS || list().childElementCount > MOST_ITEMS;

/**
 * Remove entries from one end while there are too many.
 * @param {"firstElementChild" | "lastElementChild"} end
 * @returns {boolean} whether any was removed
 */
export function trim(end) {
  let chars = size();
  const before = list().childElementCount;
  while (list().childElementCount > 1 && (chars > MOST_CHARS || list().childElementCount > MOST_ITEMS)) {
    const entry = entryAt(end);
    chars -= entry?.textContent?.length ?? 0;
    entry?.remove();
  }
  return list().childElementCount < before;
}

/**
 * Make a change above the visible entries without moving them.
 * @param {HTMLElement} box
 * @param {() => void} change
 */
export function keepPlace(box, change) {
  const anchor = all(list(), ":scope > *").find((item) => item.offsetTop + item.offsetHeight > box.scrollTop);
  const top = () => anchor?.getBoundingClientRect().top ?? 0;
  const before = top();
  change();
  box.scrollTop += top() - before;
}
