// @ts-check
/* The agents page, live: the list, the running test, the options of the chosen backend. */
import "./busy.js";
import "./choices.js";
import { byId, closest, entriesOf, required } from "./dom.js";
import { fetchFragment, parse } from "./page.js";
import { morphParts, refresher } from "./refresh.js";

const page = required("agents-page");

// ── Changes made elsewhere ───────────────────────────────────────────
function listUrl() {
  const query = new URLSearchParams(location.search);
  query.set("opened", page.dataset.opened ?? "");
  return `${page.dataset.url}?${query}`;
}

const refreshList = refresher(listUrl, { everyMs: 800 });
const refreshOpened = refresher(() => page.dataset.history ?? "", { everyMs: 300 });

document.addEventListener("mc:wake", ({ detail }) => {
  if (!["mc:run", "mc:task", "mc:activity", "mc:missed"].some((name) => detail.has(name))) return;
  refreshList();
  if (page.dataset.history) refreshOpened();
});
document.addEventListener("mc:frame", ({ detail: { event_type: name, data } }) => {
  const run = page.querySelector("#agent-history [data-run]")?.getAttribute("data-run");
  if (run && name === "mc_task_output" && data.run_id === run) refreshOpened();
});

// ── The form: its options change with the backend ────────────────────
const form = byId("agent-form");

const DECIDING = ["backend", "option-command", "option-base_url"]; // on these the lists of the other options depend

form?.addEventListener("change", async ({ target: field }) => {
  if (!(form instanceof HTMLFormElement && isControl(field) && DECIDING.includes(field.name))) return;
  const query = new URLSearchParams(entriesOf(form).filter(([name]) => name === "backend" || name.startsWith("option-")));
  try {
    const response = await fetchFragment(`${form.dataset.options}?${query}`);
    if (!response.ok) return;
    const fresh = parse(await response.text());
    if (field.value === query.get(field.name)) morphParts(fresh);
    const choices = byId("choices");
    if (choices) window.htmx?.process(choices); // ends the polling of the old lists; the new ones have their own
    if (field.name === "option-base_url" && field.value) byId("choices")?.querySelector("button")?.click();
  } catch {
    // Without a connection the old options stay; saving reports the ones that do not fit.
  }
});

/**
 * @param {EventTarget | null} target
 * @returns {target is HTMLSelectElement | HTMLInputElement}
 */
function isControl(target) {
  return target instanceof HTMLSelectElement || target instanceof HTMLInputElement;
}

// ── The health of the backends ───────────────────────────────────────
document.addEventListener("click", async (event) => {
  const link = closest(event.target, "a[data-look-again]", HTMLAnchorElement);
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  link.setAttribute("aria-busy", "true");
  try {
    const response = await fetchFragment(link.href);
    if (response.ok) morphParts(parse(await response.text()));
  } catch {
    // Without a connection the old state stays.
  }
  link.removeAttribute("aria-busy");
});
