/* The task page: refresh its parts, send its forms without leaving the page, the thread, the output. */
import "./attach.js";
import { fitOutput, showOutput } from "./fit.js";
import { attachMentions } from "./mentions.js";
import { adopt, catchUp, more, run, showCount } from "./output.js";
import { isDirty, taken } from "./drafts.js";
import { UNREACHABLE, byId, fetchFragment, localise, parse, reasonOf, say, toast } from "./page.js";
import { reconnectAll } from "./socket.js";

const GATHER_MS = 200;
const page = byId("task-page");
const task = page?.dataset.task;
const FRAGMENT = { headers: { "X-Fragment": "task" } };

// ── Parts ────────────────────────────────────────────────────────────
let asked = 0;
let isGone = false;

/** Show that the task was deleted elsewhere. The page stays, so that the user can copy text typed in it. */
function showGone() {
  isGone = true;
  byId("task-notice").replaceChildren(byId("task-gone").content.cloneNode(true));
  byId("task-notice").scrollIntoView({ block: "nearest" });
  for (const button of page.querySelectorAll("form[data-part] button[type=submit]")) button.disabled = true;
}

/** Fetch the parts of the page and show those that changed, unless a later request has begun. */
async function refresh() {
  if (isGone) return;
  const mine = ++asked;
  try {
    const response = await fetchFragment(`${page.dataset.partsUrl}${location.search}`, FRAGMENT);
    if (response.status === 404) return showGone();
    if (response.ok && mine === asked) take(parse(await response.text()), { keepNotice: true });
  } catch {
    // The parts are fetched again when the connection is back.
  }
}

let timer = null;
function refreshSoon() {
  timer ??= setTimeout(() => {
    timer = null;
    refresh();
  }, GATHER_MS);
}

/**
 * Replace each part whose markup has changed, unless the user is using it.
 * @param {DocumentFragment} fresh
 * @param {{keepNotice?: boolean}} [options] `keepNotice` leaves the notice of the last action
 * @returns {boolean | void} whether the fragment had parts
 */
function take(fresh, { keepNotice = false } = {}) {
  const parts = fresh.querySelector("[data-parts]");
  if (!parts) return false;
  if (parts.dataset.kind !== page.dataset.kind) return location.reload(); // each kind of task has its own page
  localise(parts);
  const newest = parts.dataset.newest;
  for (const part of [...parts.children]) {
    const old = part.id && byId(part.id);
    if (old && !(keepNotice && part.id === "task-notice")) replace(old, part);
  }
  showCount();
  document.title = document.title.replace(/^(\(\d+\) )?.*?( · Mission Control)$/, `$1${byId("task-title").textContent}$2`);
  if (newest !== page.dataset.newest) {
    page.dataset.newest = newest;
    if (byId("output") && byId("output").dataset.follows === "yes") showNewest();
  }
  return true;
}

/** Return the markup of a part without the values that differ each time it is rendered. */
const said = (part) => part.innerHTML.replace(/name="csrfmiddlewaretoken" value="[^"]*"|name="basis" value="[^"]*"|data-elapsed="[^"]*"/g, "");

/** Replace a part if it has changed; if the user is using it, mark it as stale instead. */
function replace(old, part) {
  old.said ??= said(old);
  const now = said(part);
  if (old.said === now && old.className === part.className) return;
  if (isBusy(old)) return void (old.isStale = true);
  part.said = now;
  const focused = old.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  keepChoices(old, part);
  old.replaceWith(part);
  if (focused) part.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

/** Tell whether the user has opened a menu or is writing in a part: then it must not change. */
function isBusy(part) {
  if (part.querySelector("details.menu[open], details.edit-text[open], details.fold[open]:not([data-opened])")) return true;
  const field = part.contains(document.activeElement) && document.activeElement;
  if (field && field.matches("textarea, input:not([type=checkbox]):not([type=radio]), select")) return true;
  return [...part.querySelectorAll("textarea")].some((area) => area.value !== area.defaultValue);
}

/** Copy to the new part what the user has chosen for the next run and for a comparison. */
function keepChoices(old, part) {
  if (old.querySelector("input[name=run]")) {
    for (const box of part.querySelectorAll("input[name=run]")) box.checked = false; // a new run is not chosen
  }
  for (const box of old.querySelectorAll("input[type=radio]:checked, input[type=checkbox][name=run]")) {
    const heir = part.querySelector(`input[name="${box.name}"][value="${CSS.escape(box.value)}"]`);
    if (heir) heir.checked = box.checked;
  }
  const picker = part.querySelector("[data-picker]");
  if (picker) showPicked(picker);
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
  if (form.dataset.busy) return;
  form.dataset.busy = "yes";
  button?.setAttribute("aria-busy", "true");
  try {
    const body = new FormData(form, button);
    const response = await fetchFragment(`${form.action}${location.search}`, { method: "POST", body, ...FRAGMENT });
    if (response.status === 404) return showGone();
    const fresh = parse(await response.text());
    const parts = fresh.querySelector("[data-parts]");
    if (response.status === 413) throw new Error("Upload too large (limit 10 MB).");
    if (!parts) throw new Error(reasonOf(response));
    asked += 1; // answers to earlier requests are older than this one
    if (response.ok) settle(form);
    const place = form.closest("[id]:not(form)")?.id;
    const conflict = parts.querySelector("#task-text:has([data-conflict])");
    if (conflict) byId("task-text").replaceChildren(); // the fragment with the conflict contains the typed text
    take(fresh);
    if (conflict) conflict.querySelector("[data-conflict]").scrollIntoView({ block: "center" });
    else keepFocus(place);
    if (response.ok && form.dataset.part === "run") showOutput();
    if (response.ok || conflict) say(parts.dataset.said);
    else byId("task-notice").scrollIntoView({ block: "nearest" });
  } catch (error) {
    toast(error instanceof TypeError ? UNREACHABLE : error.message, { status: "error" });
  } finally {
    delete form.dataset.busy;
    button?.removeAttribute("aria-busy");
  }
}

/** If the pressed button is gone, focus its part, or the page, so that the keyboard does not start at the top again. */
function keepFocus(place) {
  if (document.activeElement !== document.body) return;
  const part = byId(place);
  if (part && !part.hasAttribute("tabindex")) part.tabIndex = -1;
  part?.focus({ preventScroll: true });
  if (document.activeElement === document.body) byId("main").focus({ preventScroll: true });
}

/** Finish a form that the server accepted: remove its draft and close its menu, so that its part can be replaced. */
function settle(form) {
  taken(form);
  if (form.id === "composer" || form.dataset.part === "attach") form.reset();
  for (const area of form.querySelectorAll("textarea")) {
    area.defaultValue = area.value;
  }
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
  picker.querySelector("[data-picked]").textContent = label.querySelector("[data-name]").textContent;
  picker.querySelector("[data-picked-mark]").textContent = label.querySelector(".mono-gram").textContent;
  const why = picker.closest("form").querySelector("[data-why]");
  why.hidden = !label.dataset.missing;
  why.querySelector("span").textContent = label.dataset.missing;
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
/** Show another version of a document. */
async function showVersion(form) {
  const query = new URLSearchParams(new FormData(form));
  const response = await fetchFragment(`${form.action}?${query}`);
  if (!response.ok) return toast("Couldn't load this version.", { status: "error" });
  const fresh = parse(await response.text()).querySelector(".doc");
  const old = byId(fresh.id);
  const open = [...old.querySelectorAll("details")].map((details) => details.open);
  localise(fresh);
  old.replaceWith(fresh);
  [...fresh.querySelectorAll("details")].forEach((details, number) => { details.open = open[number] ?? false; });
  fresh.querySelector("select")?.focus({ preventScroll: true });
}

document.addEventListener("toggle", async (event) => {
  const details = event.target;
  if (!details.open || !details.dataset?.load || details.querySelector("[data-loaded]")) return;
  try {
    const response = await fetchFragment(details.dataset.load);
    const body = response.ok && parse(await response.text()).querySelector("[data-loaded]");
    if (body) details.querySelector(".fold-body").replaceWith(body);
  } catch {
    toast("Can't reach the server. Try again.", { status: "error" });
  }
}, true);

// A part that changed while the user was using it is fetched when the focus leaves it.
document.addEventListener("focusout", (event) => {
  if (event.target.closest?.("[id]") && document.querySelector("#task-page")) {
    setTimeout(() => { if ([...page.querySelectorAll("[id]")].some((part) => part.isStale && !isBusy(part))) refreshSoon(); }, 100);
  }
});

// ── Frames ───────────────────────────────────────────────────────────
document.addEventListener("mc:frame", ({ detail: { event_type: name, data } }) => {
  if (!data || !page) return; // the page shows a document or a run, not a task
  if (name === "mc_task_updated" && isShown(data.task)) return refreshSoon();
  if (name === "mc_capacity") return refreshSoon();
  const { deleted_task: deleted, deleted_project: project } = data.activity?.metadata ?? {};
  if (deleted === task || project) return refreshSoon(); // this task was deleted, or may have been deleted with its project
  if (data.task_id !== task && data.activity?.task_id !== task) return;
  if (name === "mc_activity_created") return refreshSoon();
  if (data.run_id === run()) more(data.seq);
  if (name !== "mc_task_output" || (data.run_id !== run() && data.run_id !== page.dataset.newest)) refreshSoon();
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
  for (const part of page.querySelectorAll("[id]")) part.said = undefined;
  if (location.hash === "#edit-text" && byId("edit-text")) byId("edit-text").open = true;
  if (byId("composer")) attachMentions(byId("say-it"), byId("mentions"), byId("composer").dataset.handles.split(" "));
  adoptOutput();
  watchConnection();
}
