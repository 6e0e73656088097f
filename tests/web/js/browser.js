// A page without a browser: jsdom's document, with its objects as node's global ones, where our modules expect them.
import { JSDOM } from "jsdom";

const METHODS = ["addEventListener", "dispatchEvent", "getSelection", "removeEventListener"];
const OVERRIDDEN = ["CustomEvent", "Event", "FormData", "MessageEvent", "navigator"]; // node has its own, which differ

/**
 * Open a page; its modules are imported after this. One test file opens one page.
 * @param {string} body the markup of its body
 * @param {string} [attributes] of its body
 */
export function openPage(body, attributes = "") {
  const { window } = new JSDOM(`<!doctype html><body ${attributes}>${body}</body>`, { url: "http://mc.example/", pretendToBeVisual: true });
  window.CSS ??= { escape: (text) => text.replace(/[^\w-]/g, "\\$&") };
  for (const name of [...Object.getOwnPropertyNames(window).filter((one) => !(one in globalThis)), ...METHODS, ...OVERRIDDEN]) {
    const value = METHODS.includes(name) ? window[name].bind(window) : window[name];
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  addMissing(window);
}

/** Add the parts of a browser that jsdom lacks and our modules call: dialogs, scrolling, sizes. */
function addMissing({ HTMLDialogElement, HTMLElement, Element }) {
  HTMLDialogElement.prototype.showModal = function showModal() { this.open = true; };
  HTMLDialogElement.prototype.close = function close() {
    if (this.open) this.dispatchEvent(new Event("close"));
    this.open = false;
  };
  Element.prototype.scrollIntoView = () => undefined;
  const { matches } = Element.prototype;
  Element.prototype.matches = function withStates(selector) {
    return [":popover-open", ":hover"].includes(selector) ? false : matches.call(this, selector);
  };
  Object.defineProperty(HTMLElement.prototype, "offsetWidth", { get() { return this.hidden ? 0 : 1; } });
}

/**
 * Press a key on the focused element.
 * @param {string} key
 * @param {KeyboardEventInit} [options]
 * @returns {boolean} whether nothing prevented its effect
 */
export function press(key, options = {}) {
  const target = document.activeElement ?? document.body;
  return target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...options }));
}

/**
 * Type a text into a field.
 * @param {HTMLInputElement | HTMLTextAreaElement} field
 * @param {string} text
 */
export function type(field, text) {
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

/**
 * Wait until a condition holds, for at most ten seconds.
 * @param {() => unknown} condition
 */
export async function until(condition) {
  const end = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`Not within 10 s: ${condition}`);
    await new Promise((resolve) => { setTimeout(resolve, 5); });
  }
}
