// Keys and small helps of the back office. Every page works without them.

// The head of each column as the label of its cells: on phones rows are cards.
const table = document.getElementById("result_list");
if (table) {
  const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent.trim());
  for (const row of table.tBodies[0].rows) {
    [...row.cells].forEach((cell, index) => { if (heads[index]) cell.dataset.label = heads[index]; });
  }
}

// "/" searches, "j" and "k" go through the rows, "o" opens one, "x" selects it.
const rows = table ? [...table.tBodies[0].rows] : [];
let current = -1;

function go(step) {
  if (!rows.length) return;
  rows[current]?.classList.remove("current-row");
  current = Math.min(Math.max(current + step, 0), rows.length - 1);
  rows[current].classList.add("current-row");
  rows[current].scrollIntoView({block: "nearest"});
}

const keys = {
  "/": () => document.getElementById("global-search-text")?.focus(),
  j: () => go(1),
  k: () => go(-1),
  o: () => rows[current]?.querySelector("th a")?.click(),
  x: () => rows[current]?.querySelector("input.action-select")?.click(),
};

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "Escape" && isTyping) event.target.blur();
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});

// A choice of the list's filters is applied at once; typed values wait for the button.
document.querySelectorAll("#changelist-filter select").forEach((select) => {
  select.addEventListener("change", () => select.form.requestSubmit());
});

// A menu closes when one clicks beside it.
document.addEventListener("click", (event) => {
  document.querySelectorAll("details#user-menu[open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});
