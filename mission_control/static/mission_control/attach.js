// @ts-check
/* Files chosen as attachments: show their names, and refuse files that are too large before they are sent. */
import { all, closest, requiredIn } from "./dom.js";

const MB = 2 ** 20;
const MOST_AT_ONCE = 9.5 * MB; // the server accepts 10 MB, and that includes the message

/**
 * Show the names of the chosen files, or empty the field and show why they are refused.
 * @param {HTMLInputElement} input
 */
function show(input) {
  const area = areaOf(input);
  const [files, note] = [[...(input.files ?? [])], requiredIn(area, "[data-chosen]")];
  const large = files.find((file) => file.size > Number(input.dataset.mostBytes));
  const isMuch = files.reduce((sum, file) => sum + file.size, 0) > (Number(input.dataset.mostTogether) || MOST_AT_ONCE);
  const isMany = files.length > (Number(input.dataset.mostFiles) || files.length);
  const wrong = large ? `${large.name} is larger than ${Number(input.dataset.mostBytes) / MB} MB.`
    : isMany ? `At most ${input.dataset.mostFiles} files at once.`
    : isMuch ? "These files are too large together. Upload them separately."
    : "";
  if (wrong) input.value = "";
  note.textContent = wrong || files.map((file) => file.name).join(", ") || note.dataset.hint || "";
  note.classList.toggle("err", Boolean(wrong));
  requiredIn(area, "[data-unattach]").hidden = !input.files?.length;
}

/** @param {HTMLElement} element */
function areaOf(element) {
  const area = closest(element, "[data-attach]");
  if (!area) throw new Error("A field for files is outside [data-attach].");
  return area;
}

const FIELD = "[data-attach] input[type=file]";
document.addEventListener("change", ({ target }) => {
  const input = closest(target, FIELD, HTMLInputElement);
  if (input) show(input);
});
document.addEventListener("reset", ({ target }) => {
  setTimeout(() => { if (target instanceof Element) all(target, FIELD, HTMLInputElement).forEach(show); });
});
document.addEventListener("click", (event) => {
  const button = closest(event.target, "[data-unattach]");
  if (!button) return;
  const input = requiredIn(areaOf(button), "input[type=file]", HTMLInputElement);
  input.value = "";
  show(input);
  input.focus();
});
