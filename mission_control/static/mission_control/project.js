// @ts-check
/* The project pages, live: after a change, fetch the fragments that the page consists of. */
import "./busy.js";
import { all, byId, closest, required } from "./dom.js";
import { fetchFragment, parse } from "./page.js";
import { morphParts, refresher } from "./refresh.js";

const OFTEN_MS = 15000; // the bars of running runs grow

const page = byId("project");
const list = byId("projects");

// ── The list ─────────────────────────────────────────────────────────
if (list) {
  const refresh = refresher(() => location.href, { everyMs: 1000 });
  document.addEventListener("mc:wake", ({ detail }) => {
    if (["mc:project", "mc:task", "mc:missed"].some((name) => detail.has(name))) refresh();
  });
}

// ── One project ──────────────────────────────────────────────────────
function url() {
  const span = byId("span") && required("span", HTMLSelectElement).value;
  return `${page?.dataset.url}${span && span !== "all" ? `?span=${span}` : ""}`;
}

/**
 * Tell whether one of these events concerns the project that is shown.
 * @param {Set<string>} names
 */
function concerns(names) {
  if (names.has("mc:missed") || names.has(`mc:project:${page?.dataset.project}`)) return true;
  const planning = byId("p-planning")?.dataset.run;
  if (planning && names.has(`mc:run:${planning}`)) return true;
  return [...document.querySelectorAll(".node[data-task]")].some((node) => names.has(`mc:task:${node.getAttribute("data-task")}`));
}

const filesUrl = () => `${page?.dataset.url}/files?path=${encodeURIComponent(required("p-files").dataset.folder ?? "")}`;
const refreshFiles = refresher(filesUrl, { everyMs: 1000 });

if (page) {
  const refresh = refresher(url);
  document.addEventListener("mc:wake", ({ detail }) => { if (concerns(detail)) refresh(); });
  document.addEventListener("mc:frame", ({ detail: { event_type: name, data } }) => {
    if (name === "mc_task_output" && data.run_id === byId("p-planning")?.dataset.run) refresh();
  });
  document.addEventListener("mc:frame", ({ detail: { event_type: name, data } }) => {
    if (name === "mc_task_completed" && concerns(new Set([`mc:task:${data.task_id}`]))) refreshFiles();
  });
  setInterval(() => { if (!document.hidden && page.querySelector("[data-live]")) refresh(); }, OFTEN_MS);
  page.addEventListener("change", (event) => {
    const field = closest(event.target, "#span");
    if (!field) return;
    event.stopPropagation(); // otherwise the shell would send the form
    field.blur();
    history.replaceState(null, "", url());
    refresh.outdate(); // an answer that is on its way shows the period that was chosen before
    refresh();
  });
}

// ── The timeline ─────────────────────────────────────────────────────
/**
 * Show the times of the axis in the reader's time zone, and hide buttons for pages without scripts.
 * @param {ParentNode} root
 */
function prepare(root) {
  for (const text of all(root, "text[data-tick]", SVGElement)) {
    const moment = new Date(text.dataset.tick ?? "");
    const minute = moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    const day = moment.toLocaleDateString("en", { month: "short", day: "numeric" });
    text.textContent = text.dataset.dated === "yes" ? `${day} ${minute}` : minute;
  }
  for (const button of all(root, "[data-noscript-only]")) button.hidden = true;
}

/**
 * Scroll the timeline to the present or, if it does not show it, to the run that ended last.
 * @param {Element} box
 */
function showLatest(box) {
  /** @param {Element} mark */
  const right = (mark) => mark.getBoundingClientRect().right;
  const ends = [...box.querySelectorAll("line.now, .bar rect")].map(right);
  if (ends.length) box.scrollLeft += Math.max(...ends) - right(box) + 32;
}

prepare(document);
for (const box of document.querySelectorAll("[data-at-end]")) showLatest(box);
document.addEventListener("mc:fresh", ({ detail }) => prepare(detail));

// ── The planner's output: its end is shown, unless the reader has scrolled up ──
/** @param {Element} box */
const showEnd = (box) => { box.scrollTop = box.scrollHeight; };
/** @param {Element} box */
const isAtEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 24;
/** @type {Element[]} */
let atEnd = [];

document.addEventListener("toggle", ({ target }) => {
  if (target instanceof Element) all(target, "[data-tail]").forEach(showEnd);
}, true);
document.addEventListener("mc:fresh", () => { atEnd = all(document, "[data-tail]").filter(isAtEnd); });
document.addEventListener("mc:placed", () => atEnd.forEach(showEnd));

// ── Files ────────────────────────────────────────────────────────────
let opened = 0; // the number of folders that were requested

document.addEventListener("click", async (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = closest(event.target, "a[data-folder-link]", HTMLAnchorElement);
  if (!link) return;
  event.preventDefault();
  const mine = ++opened;
  try {
    const response = await fetchFragment(link.href);
    const fresh = parse(await response.text());
    if (mine !== opened) return; // the user has opened another folder meanwhile
    if (!response.ok || !fresh.querySelector("#p-files")) return location.assign(link.href);
    refreshFiles.outdate(); // an answer that is on its way shows the folder before
    morphParts(fresh);
    const links = [...all(document, "#p-files .file a"), ...all(document, "#p-files a")];
    links[0]?.focus({ preventScroll: true });
  } catch {
    location.assign(link.href);
  }
});
