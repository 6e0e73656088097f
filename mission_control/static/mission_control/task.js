/* The page of one task: its parts as the server now shows them, forms that act without leaving, the thread. */
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

/** The task was deleted elsewhere: say so, and leave what is written here to be copied. */
function showGone() {
  isGone = true;
  byId("task-notice").replaceChildren(byId("task-gone").content.cloneNode(true));
  byId("task-notice").scrollIntoView({ block: "nearest" });
  for (const button of page.querySelectorAll("form[data-part] button[type=submit]")) button.disabled = true;
}

async function refresh() {
  if (isGone) return;
  const mine = ++asked;
  try {
    const response = await fetchFragment(`${page.dataset.partsUrl}${location.search}`, FRAGMENT);
    if (response.status === 404) return showGone();
    if (response.ok && mine === asked) take(parse(await response.text()), { keepNotice: true });
  } catch {
    // Fetched anew when the connection is back.
  }
}

let timer = null;
function refreshSoon() {
  timer ??= setTimeout(() => {
    timer = null;
    refresh();
  }, GATHER_MS);
}

/** Put each part in the place of its older self, where it says something else and nobody is busy in it. */
function take(fresh, { keepNotice = false } = {}) {
  const parts = fresh.querySelector("[data-parts]");
  if (!parts) return false;
  if (parts.dataset.kind !== page.dataset.kind) return location.reload(); // each kind of task has a page of its own
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

const said = (part) => part.innerHTML.replace(/name="csrfmiddlewaretoken" value="[^"]*"|name="basis" value="[^"]*"|data-elapsed="[^"]*"/g, "");

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

/** Somebody has opened a menu or writes in it: what is under the hand stays. */
function isBusy(part) {
  if (part.querySelector("details.menu[open], details.edit-text[open], details.fold[open]:not([data-opened])")) return true;
  const field = part.contains(document.activeElement) && document.activeElement;
  if (field && field.matches("textarea, input:not([type=checkbox]):not([type=radio]), select")) return true;
  return [...part.querySelectorAll("textarea")].some((area) => area.value !== area.defaultValue);
}

/** What was chosen for the next run, and for a comparison, stays chosen. */
function keepChoices(old, part) {
  if (old.querySelector("input[name=run]")) {
    for (const box of part.querySelectorAll("input[name=run]")) box.checked = false; // a new run is not among them
  }
  for (const box of old.querySelectorAll("input[type=radio]:checked, input[type=checkbox][name=run]")) {
    const heir = part.querySelector(`input[name="${box.name}"][value="${CSS.escape(box.value)}"]`);
    if (heir) heir.checked = box.checked;
  }
  const picker = part.querySelector("[data-picker]");
  if (picker) showPicked(picker);
}

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
    // Fetched anew when the connection is back.
  }
}

function adoptOutput() {
  adopt();
  byId("output")?.querySelector("[data-retry]")?.addEventListener("click", reconnectAll);
  const speak = byId("speak");
  const setLive = () => byId("stream").setAttribute("aria-live", speak?.checked ? "polite" : "off");
  speak?.addEventListener("change", setLive);
  if (byId("stream")) setLive();
}

// ── Forms ────────────────────────────────────────────────────────────
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
    asked += 1; // what was asked before this is older
    if (response.ok) settle(form);
    const place = form.closest("[id]:not(form)")?.id;
    const conflict = parts.querySelector("#task-text:has([data-conflict])");
    if (conflict) byId("task-text").replaceChildren(); // what is written in it comes back with the conflict
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

/** What was pressed may be gone: the keyboard goes on from its part, or from the page, not from the browser's bar. */
function keepFocus(place) {
  if (document.activeElement !== document.body) return;
  const part = byId(place);
  if (part && !part.hasAttribute("tabindex")) part.tabIndex = -1;
  part?.focus({ preventScroll: true });
  if (document.activeElement === document.body) byId("main").focus({ preventScroll: true });
}

/** It is done: close what it was opened in, so that its part is replaced. */
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

/** Close what is edited, but not when something was typed in it: a key that is easily hit throws nothing away. */
function escape(details) {
  if (!isDirty(details)) return cancel(details);
  toast("Still open because you have unsaved text. Cancel discards it.", { status: "warn" });
}

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
  if (!label || event.detail === 0) return; // by the keyboard one goes on choosing
  setTimeout(() => {
    label.closest("details").open = false;
    label.closest("details").querySelector("summary").focus({ preventScroll: true });
  });
});

// ── Documents: read when somebody looks ──────────────────────────────
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

// A part that changed while somebody was in it is fetched when he has left it.
document.addEventListener("focusout", (event) => {
  if (event.target.closest?.("[id]") && document.querySelector("#task-page")) {
    setTimeout(() => { if ([...page.querySelectorAll("[id]")].some((part) => part.isStale && !isBusy(part))) refreshSoon(); }, 100);
  }
});

// ── What happens ─────────────────────────────────────────────────────
document.addEventListener("mc:frame", ({ detail: { event_type: name, data } }) => {
  if (!data || !page) return; // this is the page of a document, or of a run
  if (name === "mc_task_updated" && isShown(data.task)) return refreshSoon();
  if (name === "mc_capacity") return refreshSoon();
  const { deleted_task: deleted, deleted_project: project } = data.activity?.metadata ?? {};
  if (deleted === task || project) return refreshSoon(); // this task is gone, or may be gone with its project
  if (data.task_id !== task && data.activity?.task_id !== task) return;
  if (name === "mc_activity_created") return refreshSoon();
  if (data.run_id === run()) more(data.seq);
  if (name !== "mc_task_output" || (data.run_id !== run() && data.run_id !== page.dataset.newest)) refreshSoon();
});

/** The page shows its own task, and the states of those that it waits for and that wait for it. */
const isShown = ({ id, blocks, blocked_by: needs }) => id === task || blocks.includes(task) || needs.includes(task);

/** The connection is there, or there again: nobody told what happened until now. */
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
