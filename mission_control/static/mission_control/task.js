/* The task page: refresh its parts, send its forms without leaving the page, the thread, the output. */
import "./attach.js";
import { fitOutput, showOutput } from "./fit.js";
import { attachMentions } from "./mentions.js";
import { adopt, catchUp, more, run } from "./output.js";
import { isDirty, taken } from "./drafts.js";
import { UNREACHABLE, byId, change, fetchFragment, localise, parse, reasonOf, say, toast } from "./page.js";
import { morph, morphParts, refresher, showWaiting } from "./refresh.js";
import { reconnectAll } from "./socket.js";

const page = byId("task-page");
const task = page?.dataset.task;

// ── Parts ────────────────────────────────────────────────────────────
let isGone = false;

/** Show that the task was deleted elsewhere. The page stays, so that the user can copy text typed in it. */
function showGone() {
  if (isGone) return;
  isGone = true;
  byId("task-notice").replaceChildren(byId("task-gone").content.cloneNode(true));
  byId("task-notice").scrollIntoView({ block: "nearest" });
  for (const button of page.querySelectorAll("form[data-part] button[type=submit]")) button.disabled = true;
}

const refresh = refresher(() => `${page.dataset.partsUrl}${location.search}`, {
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
  const parts = fresh.querySelector("[data-parts]");
  if (!parts || isGone) return;
  if (parts.dataset.kind !== page.dataset.kind) return location.reload(); // each kind of task has its own page
  morphParts(parts);
  const named = document.title.replace(/^(\(\d+\) )?.*?( · Mission Control)$/, `$1${byId("task-title").textContent}$2`);
  change(document, "title", named);
  if (parts.dataset.newest !== page.dataset.newest) {
    page.dataset.newest = parts.dataset.newest;
    if (byId("output") && byId("output").dataset.follows === "yes") showNewest();
  }
}

/** Show the output of the newest run, with the switches of the old output panel. */
async function showNewest() {
  try {
    const response = await fetchFragment(page.dataset.url, { headers: { "X-Fragment": "page" } });
    const fresh = parse(await response.text()).querySelector("#output");
    if (!response.ok || !fresh) return;
    localise(fresh);
    for (const id of ["show-tools", "show-thinking", "speak"]) {
      if (byId(id) && fresh.querySelector(`#${id}`)) fresh.querySelector(`#${id}`).checked = byId(id).checked;
    }
    byId("output").replaceWith(fresh);
    adoptOutput();
  } catch {
    // The output is fetched again when the connection is back.
  }
}

/** Start with the output panel that is on the page, and connect its buttons. */
function adoptOutput() {
  adopt();
  byId("output")?.querySelector("[data-retry]")?.addEventListener("click", reconnectAll);
  const speak = byId("speak");
  const setLive = () => byId("stream").setAttribute("aria-live", speak?.checked ? "polite" : "off");
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
    const parts = fresh.querySelector("[data-parts]");
    if (response.status === 404 && !parts) return showGone(); // with parts, something else was not found, such as a run to stop
    if (response.status === 413) throw new Error("Upload too large (limit 10 MB).");
    if (!parts) throw new Error(reasonOf(response));
    refresh.outdate(); // what is on its way is older than this answer
    setBusy(form, button, false);
    if (response.ok) settle(form);
    const place = form.closest("[id]:not(form)")?.id;
    const conflict = parts.querySelector("[data-conflict]");
    if (conflict) byId("task-text").replaceChildren(); // the fragment with the conflict contains the typed text
    take(fresh);
    if (conflict) byId("task-text").querySelector("[data-conflict]").scrollIntoView({ block: "center" });
    else keepFocus(place);
    if (response.ok && form.dataset.part === "run") showOutput();
    if (response.ok || conflict) say(parts.dataset.said);
    else byId("task-notice").scrollIntoView({ block: "nearest" });
  } catch (error) {
    toast(error instanceof TypeError ? UNREACHABLE : error.message, { status: "error" });
  } finally {
    setBusy(form, button, false);
    showWaiting();
  }
}

/** Mark a form and its button as being sent, or as no longer being sent. */
function setBusy(form, button, isBusy) {
  form.toggleAttribute("data-busy", isBusy);
  if (isBusy) button?.setAttribute("aria-busy", "true");
  else button?.removeAttribute("aria-busy");
}

/** If the pressed button is gone, focus its part, or the page, so that the keyboard does not start at the top again. */
function keepFocus(place) {
  if (document.activeElement !== document.body) return;
  const part = byId(place);
  if (part && !part.hasAttribute("tabindex")) part.tabIndex = -1;
  part?.focus({ preventScroll: true });
  if (document.activeElement === document.body) byId("main").focus({ preventScroll: true });
}

/** Finish a form that the server accepted: its values are the server's now, so its menu closes and they may change. */
function settle(form) {
  if (form.id === "composer" || form.dataset.part === "attach") form.reset();
  for (const field of form.elements) {
    if ("defaultValue" in field) field.defaultValue = field.value;
    if ("defaultChecked" in field) field.defaultChecked = field.checked;
    for (const option of field.options ?? []) option.defaultSelected = option.selected;
  }
  taken(form);
  const menu = form.closest("details.menu, details.edit-text");
  if (!menu) return;
  const inside = menu.contains(document.activeElement);
  menu.open = false;
  if (inside) menu.querySelector("summary").focus({ preventScroll: true });
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-part]")) return;
  event.preventDefault();
  submitForm(event.target, event.submitter);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("#say-it")) {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
  if (event.key === "Escape" && event.target.closest("details.edit-text[open]")) escape(event.target.closest("details"));
});

/** Close an edit form, unless it holds text that was not sent: Escape is easily pressed by accident. */
function escape(details) {
  if (!isDirty(details)) return cancel(details);
  toast("Still open because you have unsaved text. Cancel discards it.", { status: "warn" });
}

/** Discard the changes of an edit form and close it. */
function cancel(details) {
  details.querySelector("form").reset();
  details.open = false;
  details.querySelector("summary").focus();
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-cancel]")) cancel(event.target.closest("details"));
  const opener = event.target.closest("[data-opens]");
  if (!opener) return;
  event.preventDefault();
  opener.closest("details.menu")?.removeAttribute("open");
  const details = byId(opener.dataset.opens);
  details.open = true;
  details.querySelector("input:not([type=hidden])").focus();
});

// ── The agent of the next run ────────────────────────────────────────
/** Show the chosen agent on the closed picker, and the reason if it cannot run. */
function showPicked(picker) {
  const label = picker.querySelector("input:checked")?.closest("label");
  if (!label) return;
  change(picker.querySelector("[data-picked]"), "textContent", label.querySelector("[data-name]").textContent);
  change(picker.querySelector("[data-picked-mark]"), "textContent", label.querySelector(".mono-gram").textContent);
  const why = picker.closest("form").querySelector("[data-why]");
  change(why, "hidden", !label.dataset.missing);
  change(why.querySelector("span"), "textContent", label.dataset.missing);
}

document.addEventListener("change", (event) => {
  const picker = event.target.closest("[data-picker]");
  if (picker) showPicked(picker);
  const versions = event.target.closest("[data-version-form]");
  if (versions) showVersion(versions);
});

document.addEventListener("click", (event) => {
  const label = event.target.closest("[data-picker] label");
  if (!label || event.detail === 0) return; // keyboard users continue choosing
  setTimeout(() => {
    label.closest("details").open = false;
    label.closest("details").querySelector("summary").focus({ preventScroll: true });
  });
});

// ── Documents: loaded when the user opens them ───────────────────────
/** Show another version of a document. It stays when the page is refreshed. */
async function showVersion(form) {
  const query = new URLSearchParams(new FormData(form));
  const response = await fetchFragment(`${form.action}?${query}`);
  if (!response.ok) return toast("Couldn't load this version.", { status: "error" });
  const fresh = parse(await response.text()).querySelector(".doc");
  const doc = byId(fresh.id);
  form.querySelector("select").blur(); // while it has the focus, the form does not change
  delete doc.dataset.keep;
  morph(doc, fresh);
  doc.toggleAttribute("data-keep", doc.querySelector("select").selectedIndex > 0);
  doc.querySelector("select").focus({ preventScroll: true });
}

/** Load the content of a document, or a comparison, that is open and does not show it yet. */
async function load(details) {
  const { load: url } = details.dataset;
  const body = details.querySelector(".fold-body");
  if (!details.open || body.dataset.loaded === url || body.dataset.loaded === "") return; // empty: with the page
  try {
    const response = await fetchFragment(url);
    const fresh = response.ok && parse(await response.text()).querySelector("[data-loaded]");
    if (!fresh || details.dataset.load !== url) return;
    fresh.dataset.loaded = url;
    morph(body, fresh);
  } catch {
    toast("Can't reach the server. Try again.", { status: "error" });
  }
}

document.addEventListener("toggle", ({ target }) => { if (target.dataset?.load) load(target); }, true);
document.addEventListener("mc:placed", ({ detail: part }) => {
  for (const details of part.querySelectorAll("details[data-load][open]")) load(details);
  for (const picker of part.querySelectorAll("[data-picker]")) showPicked(picker);
});

// ── Frames ───────────────────────────────────────────────────────────
document.addEventListener("mc:frame", ({ detail: { event_type: name, data } }) => {
  if (!data || !page || isGone) return; // without `page`, it shows a document or a run
  if (name === "mc_task_updated" && isShown(data.task)) return refresh();
  if (name === "mc_capacity") return refresh();
  const { deleted_task: deleted, deleted_project: project } = data.activity?.metadata ?? {};
  if (deleted === task || project) return refresh(); // this task was deleted, or may have been deleted with its project
  if (data.task_id !== task && data.activity?.task_id !== task) return;
  if (name === "mc_activity_created") return refresh();
  if (data.run_id === run()) more(data.seq);
  if (name !== "mc_task_output" || (data.run_id !== run() && data.run_id !== page.dataset.newest)) refresh();
});

/** Tell whether the page shows this task: it is the page's own, or one of the two blocks the other. */
const isShown = ({ id, blocks, blocked_by: needs }) => id === task || blocks.includes(task) || needs.includes(task);

/** Refresh the page each time the connection opens, because frames were missed until then. */
function watchConnection() {
  const word = byId("conn");
  if (!word) return;
  new MutationObserver(() => {
    if (word.dataset.conn !== "live") return;
    catchUp();
    refresh();
  }).observe(word, { attributes: true, attributeFilter: ["data-conn"] });
  if (word.dataset.conn === "live") catchUp();
}

if (page) {
  fitOutput(page);
  if (location.hash === "#edit-text" && byId("edit-text")) byId("edit-text").open = true;
  if (byId("composer")) attachMentions(byId("say-it"), byId("mentions"), byId("mention-names"));
  adoptOutput();
  watchConnection();
}
