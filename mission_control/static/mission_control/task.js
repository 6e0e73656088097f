// @ts-check
/* The task page: refresh its parts, send its forms without leaving the page, the thread, the output. */
import "./attach.js";
import "./drop.js";
import { send } from "./composer.js";
import { all, byId, closest, entriesOf, required, requiredIn } from "./dom.js";
import { fitOutput, showOutput } from "./fit.js";
import { attachMentions } from "./mentions.js";
import { adopt, catchUp, more, run } from "./output.js";
import { isDirty, taken } from "./drafts.js";
import { UNREACHABLE, change, fetchFragment, localise, parse, reasonOf, say, toast } from "./page.js";
import { morph, morphParts, refresher, showWaiting } from "./refresh.js";
import { reconnectAll } from "./socket.js";
import { rename } from "./topbar.js";

const page = byId("task-page");
const task = page?.dataset.task;

// ── Parts ────────────────────────────────────────────────────────────
let isGone = false;

/** Show that the task was deleted elsewhere. The page stays, so that the user can copy text typed in it. */
function showGone() {
  if (isGone) return;
  isGone = true;
  const notice = required("task-notice");
  notice.replaceChildren(required("task-gone", HTMLTemplateElement).content.cloneNode(true));
  notice.scrollIntoView({ block: "nearest" });
  for (const button of all(document, "#task-page form[data-part] button[type=submit]", HTMLButtonElement)) button.disabled = true;
}

const refresh = refresher(() => `${page?.dataset.partsUrl}${location.search}`, {
  everyMs: 200,
  onGone: showGone,
  take(fresh) {
    fresh.querySelector("#task-notice")?.remove(); // the notice of the last action stays
    take(fresh);
  },
});

/**
 * Show the parts of the page that a fragment contains.
 * @param {DocumentFragment} fresh
 */
function take(fresh) {
  const [parts] = all(fresh, "[data-parts]");
  if (!parts || !page || isGone) return;
  if (parts.dataset.kind !== page.dataset.kind) return location.reload(); // each kind of task has its own page
  morphParts(parts);
  rename(`${required("task-title").textContent?.trim()} · Mission Control`);
  if (parts.dataset.newest !== page.dataset.newest) {
    page.dataset.newest = parts.dataset.newest;
    if (byId("output")?.dataset.follows === "yes") showNewest(page.dataset.url ?? "");
  }
}

/**
 * Show the output of the newest run, with the switches of the old output panel.
 * @param {string} url the page of the task
 */
async function showNewest(url) {
  try {
    const response = await fetchFragment(url, { headers: { "X-Fragment": "page" } });
    const fresh = parse(await response.text()).querySelector("#output");
    if (!response.ok || !fresh) return;
    localise(fresh);
    for (const box of all(fresh, "#show-tools, #show-thinking, #speak", HTMLInputElement)) {
      const old = byId(box.id);
      if (old instanceof HTMLInputElement) box.checked = old.checked;
    }
    required("output").replaceWith(fresh);
    adoptOutput();
  } catch {
    // The output is fetched again when the connection is back.
  }
}

/** Start with the output panel that is on the page, and connect its buttons. */
function adoptOutput() {
  adopt();
  byId("output")?.querySelector("[data-retry]")?.addEventListener("click", reconnectAll);
  const [speak] = all(document, "#speak", HTMLInputElement);
  const setLive = () => required("stream").setAttribute("aria-live", speak?.checked ? "polite" : "off");
  speak?.addEventListener("change", setLive);
  if (byId("stream")) setLive();
}

// ── Forms ────────────────────────────────────────────────────────────
/**
 * Send a form and show the parts that the server returns.
 * @param {HTMLFormElement} form
 * @param {HTMLElement | null} button the one that was pressed
 */
async function submitForm(form, button) {
  if (form.hasAttribute("data-busy")) return;
  const body = new FormData(form, button);
  setBusy(form, button, true);
  try {
    const response = await fetchFragment(`${form.action}${location.search}`, { method: "POST", body });
    const fresh = parse(await response.text());
    const [parts] = all(fresh, "[data-parts]");
    if (response.status === 404 && !parts) return showGone(); // with parts, something else was not found, such as a run to stop
    if (response.status === 413 && !parts) throw new Error("Upload too large.");
    if (!parts) throw new Error(reasonOf(response));
    refresh.outdate(); // what is on its way is older than this answer
    setBusy(form, button, false);
    if (response.ok) settle(form);
    const place = form.closest("[id]:not(form)")?.id;
    const conflict = parts.querySelector("[data-conflict]");
    if (conflict) required("task-text").replaceChildren(); // the fragment with the conflict contains the typed text
    take(fresh);
    if (conflict) requiredIn(required("task-text"), "[data-conflict]").scrollIntoView({ block: "center" });
    else keepFocus(place ?? "");
    if (response.ok && (form.dataset.part === "run" || body.get("then") === "run")) showOutput();
    if (response.ok || conflict) say(parts.dataset.said ?? "");
    else required("task-notice").scrollIntoView({ block: "nearest" });
  } catch (error) {
    toast(error instanceof Error && !(error instanceof TypeError) ? error.message : UNREACHABLE, { status: "error" });
  } finally {
    setBusy(form, button, false);
    showWaiting();
  }
}

/**
 * Mark a form and its button as being sent, or as no longer being sent.
 * @param {HTMLFormElement} form
 * @param {HTMLElement | null} button
 * @param {boolean} isBusy
 */
function setBusy(form, button, isBusy) {
  form.toggleAttribute("data-busy", isBusy);
  if (isBusy) button?.setAttribute("aria-busy", "true");
  else button?.removeAttribute("aria-busy");
}

/**
 * If the pressed button is gone, focus its part, or the page, so that the keyboard does not start at the top again.
 * @param {string} place the id of the part
 */
function keepFocus(place) {
  if (document.activeElement !== document.body) return;
  const part = byId(place);
  if (part && !part.hasAttribute("tabindex")) part.tabIndex = -1;
  part?.focus({ preventScroll: true });
  if (document.activeElement === document.body) required("main").focus({ preventScroll: true });
}

/**
 * Finish a form that the server accepted: its values are the server's now, so its menu closes and they may change.
 * @param {HTMLFormElement} form
 */
function settle(form) {
  if (form.id === "composer" || form.dataset.part === "attach") form.reset();
  for (const field of form.elements) {
    if (field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement) field.defaultValue = field.value;
    if (field instanceof HTMLInputElement) field.defaultChecked = field.checked;
    if (field instanceof HTMLSelectElement) for (const option of field.options) option.defaultSelected = option.selected;
  }
  taken(form);
  const menu = closest(form, "details.menu, details.edit-text", HTMLDetailsElement);
  if (!menu) return;
  const inside = menu.contains(document.activeElement);
  menu.open = false;
  if (inside) requiredIn(menu, "summary").focus({ preventScroll: true });
}

document.addEventListener("submit", (event) => {
  const form = closest(event.target, "form[data-part]", HTMLFormElement);
  if (!form) return;
  event.preventDefault();
  const [empty] = all(form, "[data-missing]", HTMLTextAreaElement).filter((field) => !field.value.trim());
  if (empty && !event.submitter?.hasAttribute("formnovalidate")) return showMissing(empty);
  if (form.dataset.part === "run" && askForAgent(form)) return;
  submitForm(form, event.submitter);
});

document.addEventListener("keydown", (event) => {
  const field = closest(event.target, "#say-it", HTMLTextAreaElement);
  if (field && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    send(field, event.shiftKey);
  }
  const details = closest(event.target, "details.edit-text[open]", HTMLDetailsElement);
  if (details && event.key === "Escape") escape(details);
});

/**
 * Close an edit form, unless it holds text that was not sent: Escape is easily pressed by accident.
 * @param {HTMLDetailsElement} details
 */
function escape(details) {
  if (!isDirty(details)) return cancel(details);
  toast("Still open because you have unsaved text. Cancel discards it.", { status: "warn" });
}

/**
 * Discard the changes of an edit form and close it.
 * @param {HTMLDetailsElement} details
 */
function cancel(details) {
  requiredIn(details, "form", HTMLFormElement).reset();
  details.open = false;
  requiredIn(details, "summary").focus();
}

document.addEventListener("click", (event) => {
  const cancelled = closest(event.target, "[data-cancel]") && closest(event.target, "details", HTMLDetailsElement);
  if (cancelled) cancel(cancelled);
  const opener = closest(event.target, "[data-opens]");
  if (!opener) return;
  event.preventDefault();
  opener.closest("details.menu")?.removeAttribute("open");
  const details = required(opener.dataset.opens ?? "", HTMLDetailsElement);
  details.open = true;
  requiredIn(details, "input:not([type=hidden])").focus();
});

// ── What is missing in a form ────────────────────────────────────────
/**
 * Show at a required field what is missing.
 * @param {HTMLTextAreaElement} field
 */
function showMissing(field) {
  const error = requiredIn(field.parentElement ?? document, ".err");
  error.hidden = false;
  requiredIn(error, "span").textContent = field.dataset.missing ?? "";
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", error.id);
  field.focus();
}

document.addEventListener("invalid", (event) => {
  const field = closest(event.target, "[data-missing]", HTMLTextAreaElement);
  if (!field) return;
  event.preventDefault(); // the browser would show its own text
  showMissing(field);
}, true);

document.addEventListener("input", (event) => {
  const field = closest(event.target, "[data-missing][aria-invalid]", HTMLTextAreaElement);
  if (!field) return;
  field.removeAttribute("aria-invalid");
  requiredIn(field.parentElement ?? document, ".err").hidden = true;
});

/**
 * Open the picker of a form if no agent is chosen. Return whether that was so.
 * @param {HTMLFormElement} form
 */
function askForAgent(form) {
  const [picker] = all(form, "[data-picker]", HTMLDetailsElement);
  if (!picker || picker.querySelector("input:checked")) return false;
  picker.open = true;
  all(picker, "input")[0]?.focus();
  say("Choose an agent.");
  return true;
}

// ── The agent of the next run ────────────────────────────────────────
/**
 * Show the chosen agent on the closed picker, and the reason if it cannot run.
 * @param {Element} picker
 */
function showPicked(picker) {
  const label = picker.querySelector("input:checked")?.closest("label");
  const form = picker.closest("form");
  if (!label || !form) return;
  change(requiredIn(picker, "[data-picked]"), "textContent", requiredIn(label, "[data-name]").textContent);
  change(requiredIn(picker, "[data-picked-mark]"), "textContent", requiredIn(label, ".mono-gram").textContent);
  const why = requiredIn(form, "[data-why]");
  change(why, "hidden", !label.dataset.missing);
  change(requiredIn(why, "span"), "textContent", label.dataset.missing ?? "");
}

document.addEventListener("change", (event) => {
  const picker = closest(event.target, "[data-picker]");
  if (picker) showPicked(picker);
  const versions = closest(event.target, "[data-version-form]", HTMLFormElement);
  if (versions) showVersion(versions);
});

document.addEventListener("click", (event) => {
  const menu = closest(closest(event.target, "[data-picker] label"), "details", HTMLDetailsElement);
  if (!menu || event.detail === 0) return; // keyboard users continue choosing
  setTimeout(() => {
    menu.open = false;
    requiredIn(menu, "summary").focus({ preventScroll: true });
  });
});

// ── Documents: loaded when the user opens them ───────────────────────
/**
 * Show another version of a document. It stays when the page is refreshed.
 * @param {HTMLFormElement} form
 */
async function showVersion(form) {
  const query = `${new URLSearchParams(entriesOf(form))}`;
  const response = await fetchFragment(`${form.action}?${query}`);
  if (!response.ok) return toast("Couldn't load this version.", { status: "error" });
  const fresh = requiredIn(parse(await response.text()), ".doc");
  if (query !== `${new URLSearchParams(entriesOf(form))}`) return; // the user has chosen another one meanwhile
  const doc = required(fresh.id);
  requiredIn(form, "select").blur(); // while it has the focus, the form does not change
  delete doc.dataset.keep;
  morph(doc, fresh);
  const versions = requiredIn(doc, "select", HTMLSelectElement);
  doc.toggleAttribute("data-keep", versions.selectedIndex > 0);
  versions.focus({ preventScroll: true });
}

/**
 * Load the content of a document, or a comparison, that is open and does not show it yet.
 * @param {HTMLDetailsElement} details
 */
async function load(details) {
  const { load: url } = details.dataset;
  if (!url || !details.open) return;
  const body = requiredIn(details, ".fold-body");
  if (body.dataset.loaded === url || body.dataset.loaded === "") return; // empty: with the page
  try {
    const response = await fetchFragment(url);
    const [fresh] = all(parse(await response.text()), "[data-loaded]");
    if (!response.ok || !fresh || details.dataset.load !== url) return;
    fresh.dataset.loaded = url;
    morph(body, fresh);
  } catch {
    toast("Can't reach the server. Try again.", { status: "error" });
  }
}

document.addEventListener("toggle", ({ target }) => { if (target instanceof HTMLDetailsElement) load(target); }, true);
document.addEventListener("mc:placed", ({ detail: part }) => {
  for (const details of all(part, "details[data-load][open]", HTMLDetailsElement)) load(details);
  for (const picker of part.querySelectorAll("[data-picker]")) showPicked(picker);
});

// ── Frames ───────────────────────────────────────────────────────────
document.addEventListener("mc:frame", ({ detail: frame }) => {
  if (page && !isGone) takeFrame(frame, page.dataset.newest); // without `page`, it shows a document or a run
});

/**
 * Refresh the page if a frame is about what it shows.
 * @param {Frame} frame
 * @param {string | undefined} newest the newest run that the page shows
 */
function takeFrame({ event_type: name, data }, newest) {
  if (name === "mc_capacity") return refresh();
  if (name === "mc_task_updated") return isShown(data.task) && refresh();
  if (name === "mc_question_created" || name === "mc_question_answered") return data.question.task_id === task && refresh();
  if (name === "mc_activity_created") return isAbout(data.activity) && refresh();
  if (name === "mc_run_usage" || !("run_id" in data) || data.task_id !== task) return;
  if (data.run_id === run()) more(data.seq);
  if (name === "mc_task_output" && data.output_type === "input") return refresh(); // a message has reached its agent
  if (name !== "mc_task_output" || (data.run_id !== run() && data.run_id !== newest)) refresh();
}

/**
 * Tell whether an activity is about this task. If it deleted a project, the task may have been deleted with it.
 * @param {Activity} activity
 */
const isAbout = ({ task_id: id, metadata }) => id === task || metadata.deleted_task === task || Boolean(metadata.deleted_project);

/**
 * Tell whether the page shows this task: it is the page's own, or one of the two blocks the other.
 * @param {OfTask} other
 */
const isShown = ({ id, blocks, blocked_by: needs }) => id === task || [...blocks, ...needs].some((one) => one === task);

document.addEventListener("mc:wake", ({ detail: names }) => {
  if (!page || isGone || !names.has("mc:missed")) return;
  catchUp();
  refresh();
});

if (page) {
  fitOutput(page);
  for (const details of all(page, "details#edit-text", HTMLDetailsElement)) details.open ||= location.hash === "#edit-text";
  if (byId("composer")) {
    attachMentions(required("say-it", HTMLTextAreaElement), required("mentions"), required("mention-names", HTMLDataElement));
  }
  adoptOutput();
}
