/* The project pages, live: after a change, fetch the fragments that the page consists of. */
import "./busy.js";
import { byId, change, fetchFragment, parse } from "./page.js";
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
  const span = byId("span")?.value;
  return `${page.dataset.url}${span && span !== "all" ? `?span=${span}` : ""}`;
}

/** Tell whether one of these events concerns the project that is shown. */
function concerns(names) {
  if (names.has("mc:missed") || names.has(`mc:project:${page.dataset.project}`)) return true;
  const planning = byId("p-planning")?.dataset.run;
  if (planning && names.has(`mc:run:${planning}`)) return true;
  return [...document.querySelectorAll(".node[data-task]")].some((node) => names.has(`mc:task:${node.dataset.task}`));
}

const filesUrl = () => `${page.dataset.url}/files?path=${encodeURIComponent(byId("p-files").dataset.folder)}`;
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
    if (event.target.id !== "span") return;
    event.stopPropagation(); // otherwise the shell would send the form
    event.target.blur();
    history.replaceState(null, "", url());
    refresh.outdate(); // an answer that is on its way shows the period that was chosen before
    refresh();
  });
}

// ── The timeline ─────────────────────────────────────────────────────
/** Show the times of the axis in the reader's time zone, and hide buttons for pages without scripts. */
function prepare(root) {
  for (const text of root.querySelectorAll("text[data-tick]")) {
    const moment = new Date(text.dataset.tick);
    const minute = moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    const day = moment.toLocaleDateString("en", { month: "short", day: "numeric" });
    text.textContent = text.dataset.dated === "yes" ? `${day} ${minute}` : minute;
  }
  for (const button of root.querySelectorAll("[data-noscript-only]")) button.hidden = true;
}

/** Scroll the timeline to the present or, if it does not show it, to the run that ended last. */
function showLatest(box) {
  const right = (mark) => mark.getBoundingClientRect().right;
  const ends = [...box.querySelectorAll("line.now, .bar rect")].map(right);
  if (ends.length) box.scrollLeft += Math.max(...ends) - right(box) + 32;
}

prepare(document);
for (const box of document.querySelectorAll("[data-at-end]")) showLatest(box);
document.addEventListener("mc:fresh", ({ detail }) => prepare(detail));

// ── The planner's output: its end is shown, unless the reader has scrolled up ──
const scrolledUp = new WeakSet();

function showTails() {
  for (const box of document.querySelectorAll("[data-tail]")) {
    if (!scrolledUp.has(box)) change(box, "scrollTop", box.scrollHeight - box.clientHeight);
  }
}

showTails();
document.addEventListener("mc:placed", showTails);
document.addEventListener("toggle", showTails, true);
document.addEventListener("scroll", ({ target: box }) => {
  if (box === document || !box.matches("[data-tail]")) return;
  if (box.scrollHeight - box.scrollTop - box.clientHeight > 24) scrolledUp.add(box);
  else scrolledUp.delete(box);
}, true);

// ── Files ────────────────────────────────────────────────────────────
document.addEventListener("click", async (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest("a[data-folder-link]");
  if (!link) return;
  event.preventDefault();
  try {
    const response = await fetchFragment(link.href);
    const fresh = response.ok && parse(await response.text());
    if (!fresh?.querySelector("#p-files")) return location.assign(link.href);
    refreshFiles.outdate(); // an answer that is on its way shows the folder before
    morphParts(fresh);
    (document.querySelector("#p-files .file a") ?? document.querySelector("#p-files a")).focus({ preventScroll: true });
  } catch {
    location.assign(link.href);
  }
});
