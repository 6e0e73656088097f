/* The rows of the list, and the capacity: replaced in place by what the server says of them now. */
import { byId, fetchFragment, localise, parse, swap, withPage } from "./page.js";

const rowFetches = new Map(); // task → "busy", or "again" when something changed while it was fetched

export async function refreshRow(task) {
  if (rowFetches.has(task)) {
    rowFetches.set(task, "again");
    return;
  }
  rowFetches.set(task, "busy");
  try {
    const response = await fetchFragment(withPage(`/tasks/${task}/row`));
    if (response.ok) placeRow(parse(await response.text()).firstElementChild);
    else if (response.status === 404) byId(`task-${task}`)?.remove();
  } catch {
    // The connection broke. When it is back, every row is fetched anew.
  }
  const again = rowFetches.get(task) === "again";
  rowFetches.delete(task);
  if (again) refreshRow(task);
}

/** Put a row in the place of the old one; a row that is not listed yet comes first, on the first page. */
export function placeRow(row) {
  const old = byId(row.id);
  localise(row);
  if (!old) {
    const list = byId("tasks");
    if (!list) return location.reload(); // the first task of all
    if (new URLSearchParams(location.search).has("page")) return;
    row.classList.add("is-new");
    list.prepend(row);
    return;
  }
  if (row.dataset.updated < old.dataset.updated) return;
  if (old.contains(document.activeElement) && document.activeElement.matches("select")) {
    // Not under the hand of somebody who is choosing.
    document.activeElement.addEventListener("blur", () => refreshRow(row.dataset.task), { once: true });
    return;
  }
  if (old.hasAttribute("aria-current")) row.setAttribute("aria-current", "true");
  swap(old, row);
}

export function refreshDependents(task) {
  for (const row of document.querySelectorAll(`.task[data-needs~="${task}"]`)) refreshRow(row.dataset.task);
}

export async function refreshCapacity() {
  await refreshFrom("/capacity");
}

/** Fetch the whole list anew: what happened while there was no connection was told to nobody here. */
export async function refreshRows() {
  const fresh = await refreshFrom(withPage("/tasks"));
  for (const row of [...(fresh?.querySelectorAll(".task") ?? [])].reverse()) placeRow(row);
}

async function refreshFrom(url) {
  try {
    const response = await fetchFragment(url);
    if (!response.ok) return null;
    const fresh = parse(await response.text());
    byId("capacity").replaceWith(fresh.querySelector("#capacity"));
    return fresh;
  } catch {
    return null; // Fetched anew when the connection is back.
  }
}
