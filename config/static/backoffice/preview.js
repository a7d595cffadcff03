// Shows beside the form what clients will see, as it is typed.
document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll("[data-preview]")) {
    const inputs = box.dataset.preview.split(",").map((name) => document.getElementById(`id_${name}`)).filter(Boolean);
    if (!inputs.length) continue;
    const show = () => {
      box.textContent = inputs.map((one) => (one.tagName === "SELECT" ? one.selectedOptions[0].text : one.value)).join(" ");
    };
    inputs.forEach((one) => one.addEventListener("input", show));
    show();
  }
});
