/* Files chosen as attachments: show their names, and refuse files that are too large before they are sent. */
const MB = 2 ** 20;
const MOST_AT_ONCE = 9.5 * MB; // the server accepts 10 MB, and that includes the message

/**
 * Show the names of the chosen files, or empty the field and show why they are refused.
 * @param {HTMLInputElement} input
 */
function show(input) {
  const [files, said] = [[...input.files], input.closest("[data-attach]").querySelector("[data-chosen]")];
  const large = files.find((file) => file.size > Number(input.dataset.mostBytes));
  const isMuch = files.reduce((sum, file) => sum + file.size, 0) > MOST_AT_ONCE;
  const wrong = large ? `${large.name} is larger than ${Number(input.dataset.mostBytes) / MB} MB.` : isMuch ? "These files are too large together. Upload them separately." : "";
  if (wrong) input.value = "";
  said.textContent = wrong || files.map((file) => file.name).join(", ") || said.dataset.hint;
  said.classList.toggle("err", Boolean(wrong));
  input.closest("[data-attach]").querySelector("[data-unattach]").hidden = !input.files.length;
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-attach] input[type=file]")) show(event.target);
});
document.addEventListener("reset", (event) => {
  setTimeout(() => event.target.querySelectorAll("[data-attach] input[type=file]").forEach(show));
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-unattach]");
  if (!button) return;
  const input = button.closest("[data-attach]").querySelector("input[type=file]");
  input.value = "";
  show(input);
  input.focus();
});
