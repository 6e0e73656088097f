// @ts-check
/* Elements of the page by their kind. If one that must exist is missing, the error names it. */

/**
 * Return the element with an id, or null.
 * @param {string} id
 */
export const byId = (id) => document.getElementById(id);

/**
 * Return the element with an id, which must exist.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [kind]
 * @returns {T}
 */
export function required(id, kind) {
  return checked(byId(id), kind, `#${id}`);
}

/**
 * Return the first element in a part of the page that a selector matches. It must exist.
 * @template {Element} [T=HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} [kind]
 * @returns {T}
 */
export function requiredIn(root, selector, kind) {
  return checked(root.querySelector(selector), kind, selector);
}

/**
 * Return all elements of a kind in a part of the page that a selector matches.
 * @template {Element} [T=HTMLElement]
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} [kind]
 * @returns {T[]}
 */
export function all(root, selector, kind) {
  return [...root.querySelectorAll(selector)].filter((element) => isA(element, kind));
}

/**
 * Return the target of an event, or the nearest element around it, that a selector matches; otherwise null.
 * @template {Element} [T=HTMLElement]
 * @param {EventTarget | null} target
 * @param {string} selector
 * @param {new () => T} [kind]
 * @returns {T | null}
 */
export function closest(target, selector, kind) {
  const found = target instanceof Element ? target.closest(selector) : null;
  return isA(found, kind) ? found : null;
}

/**
 * Tell whether an element is of a kind, by default HTMLElement.
 * @template {Element} T
 * @param {Element | null} element
 * @param {(new () => T) | undefined} kind
 * @returns {element is T}
 */
function isA(element, kind) {
  return element instanceof (kind ?? HTMLElement);
}

/**
 * Return an element if it is of a kind; otherwise throw.
 * @template {Element} T
 * @param {Element | null} element
 * @param {(new () => T) | undefined} kind
 * @param {string} selector
 * @returns {T}
 */
function checked(element, kind, selector) {
  if (isA(element, kind)) return element;
  throw new Error(`This page has no ${kind?.name ?? "element"} ${selector}.`);
}

/**
 * Return a new copy of the first element in a template of the page.
 * @param {string} id
 */
export function copyOf(id) {
  const element = required(id, HTMLTemplateElement).content.firstElementChild;
  if (element instanceof HTMLElement) return /** @type {HTMLElement} */ (element.cloneNode(true));
  throw new Error(`The template #${id} is empty.`);
}

/**
 * Return the names and values that a form would send, without its files.
 * @param {HTMLFormElement} form
 * @returns {[string, string][]}
 */
export const entriesOf = (form) => [...new FormData(form)].map(([name, value]) => [name, String(value)]);
