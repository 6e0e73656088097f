/* Parts of a page that the server renders again: each replaces its older version, if the two differ. */
import { byId, fetchFragment, localise, parse } from "./page.js";

const seen = new Map(); // the latest markup of each part

/**
 * Return a function that fetches a fragment at most once every `everyMs`, and always once more after the last call.
 * @param {() => string} url
 * @param {{everyMs?: number, take?: (fragment: DocumentFragment) => void}} [options] `take` shows the fragment
 * @returns {() => void}
 */
export function refresher(url, { everyMs = 500, take = takeParts } = {}) {
  let [timer, isBusy, isAskedAgain] = [null, false, false];
  async function look() {
    timer = null;
    if (isBusy) return void (isAskedAgain = true);
    isBusy = true;
    try {
      const response = await fetchFragment(url());
      if (response.ok) take(parse(await response.text()));
      else if (response.status === 404) location.reload();
    } catch {
      // The connection is lost. The socket shows this, and refreshes the page when it is back.
    } finally {
      isBusy = false;
      if (isAskedAgain) [isAskedAgain, timer] = [false, setTimeout(look, everyMs)];
    }
  }
  return () => { timer ??= setTimeout(look, everyMs); };
}

/** Replace the parts of the page that a fragment contains. */
export function takeParts(fragment) {
  for (const fresh of [...fragment.children]) {
    const old = byId(fresh.id);
    if (old) place(old, fresh);
  }
}

/** Replace a part if its markup has changed and the user is not using it. */
function place(old, fresh) {
  const markup = lasting(fresh);
  if (seen.get(fresh.id) === markup || isInUse(old)) return;
  seen.set(fresh.id, markup);
  const state = remember(old);
  localise(fresh);
  old.replaceWith(fresh);
  window.htmx?.process(fresh);
  restore(fresh, state);
  document.dispatchEvent(new CustomEvent("mc:placed", { detail: fresh }));
}

/** Return the markup of a part without the values that differ each time it is rendered. */
function lasting(element) {
  const copy = element.cloneNode(true);
  for (const each of copy.querySelectorAll("[name=csrfmiddlewaretoken]")) each.remove();
  for (const time of copy.querySelectorAll("time[data-elapsed]")) {
    time.removeAttribute("data-elapsed");
    time.textContent = "";
  }
  return copy.outerHTML;
}

/** Tell whether a part has an open menu or a field with the focus: then it must not change. */
function isInUse(element) {
  return element.querySelector("details.menu[open]") || element.querySelector("input:focus, textarea:focus, select:focus");
}

/** Return the focus, the scroll positions and the open details of a part. */
function remember(old) {
  return {
    key: old.contains(document.activeElement) ? document.activeElement.dataset.key : null,
    scrolls: [...old.querySelectorAll("[data-keeps-scroll]")].map((one) => [one.dataset.keepsScroll, one.scrollLeft, one.scrollTop]),
    folds: [...old.querySelectorAll("details[data-fold][open]")].map((one) => one.dataset.fold),
  };
}

/** Give a new part the focus, the scroll positions and the open details of the old one. */
function restore(fresh, { key, scrolls, folds }) {
  for (const [name, left, top] of scrolls) {
    const box = fresh.querySelector(`[data-keeps-scroll="${name}"]`);
    if (box) [box.scrollLeft, box.scrollTop] = [left, top];
  }
  for (const name of folds) fresh.querySelector(`details[data-fold="${name}"]`)?.setAttribute("open", "");
  if (key) fresh.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

/** Mark the pressed button as busy while its form is being sent. */
document.addEventListener("submit", (event) => {
  if (!event.defaultPrevented && event.target.method === "post") event.submitter?.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("[aria-busy=true][type=submit]")) button.removeAttribute("aria-busy");
});
