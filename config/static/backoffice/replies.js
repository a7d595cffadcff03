// Inserts the chosen standard reply where the cursor is in the text.
document.addEventListener("DOMContentLoaded", () => {
  for (const list of document.querySelectorAll("[data-inserts-into]")) {
    const text = document.getElementById(list.dataset.insertsInto);
    list.addEventListener("change", () => {
      text.setRangeText(list.value, text.selectionStart, text.selectionEnd, "end");
      text.dispatchEvent(new Event("input"));
      text.focus();
      list.selectedIndex = 0;
    });
  }
});
