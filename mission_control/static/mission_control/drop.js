// @ts-check
/* Files that are dropped on the page, or pasted into it, are added to its field for files. */
import { all } from "./dom.js";
import { say } from "./page.js";

const root = document.documentElement;

/** Return the page's field that takes dropped files, if it has one. */
const field = () => all(document, "[data-drop] input[type=file]", HTMLInputElement)[0];

/** @param {DataTransfer | null} data */
const hasFiles = (data) => Boolean(data?.types.includes("Files")) && Boolean(field());

/**
 * Add files to those that are already chosen.
 * @param {Iterable<File>} files
 */
function add(files) {
  const input = field();
  const both = new DataTransfer();
  for (const file of [...(input.files ?? []), ...files]) both.items.add(file);
  input.files = both.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  input.closest("[data-drop]")?.scrollIntoView({ block: "nearest" });
  say(`Chosen files: ${input.files.length}`);
}

/** @param {boolean} isOver */
const showDropping = (isOver) => root.toggleAttribute("data-dropping", isOver);

document.addEventListener("dragover", (event) => {
  if (!hasFiles(event.dataTransfer)) return;
  event.preventDefault(); // the browser would open a dropped file instead of this page
  showDropping(true);
});
document.addEventListener("dragleave", ({ relatedTarget }) => { if (!relatedTarget) showDropping(false); });
document.addEventListener("drop", (event) => {
  showDropping(false);
  if (!event.dataTransfer || !hasFiles(event.dataTransfer)) return;
  event.preventDefault();
  add(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => {
  const data = event.clipboardData;
  if (!data || !hasFiles(data) || data.types.includes("text/plain")) return; // a text with a picture of it is a text
  event.preventDefault();
  add(data.files);
});
