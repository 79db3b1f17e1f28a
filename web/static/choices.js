// Choosing some of many: how many are ticked, finding by name, and how many people that describes.

for (const box of document.querySelectorAll("[data-choices]")) {
  const chosen = box.querySelector("[data-chosen]");
  const filter = box.querySelector("[data-filter]");
  box.addEventListener("change", () => {
    chosen.textContent = box.querySelectorAll(":checked").length || "";
  });
  if (!filter) continue;
  filter.hidden = false;
  filter.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const one of box.querySelectorAll(".form-check")) {
      const ticked = one.querySelector("input").checked;
      one.hidden = !ticked && !one.textContent.toLowerCase().includes(wanted);
    }
  });
  filter.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
}

// A form with data-count shows the answer of that address in [data-counted] whenever it changes.
for (const form of document.querySelectorAll("form[data-count]")) {
  const counted = document.querySelector("[data-counted]");
  let asked = 0;
  let soon = 0;

  async function count() {
    const mine = ++asked;
    const query = new URLSearchParams(new FormData(form));
    const answer = await fetch(`${form.dataset.count}&${query}`);
    if (answer.ok && mine === asked) counted.innerHTML = await answer.text();
    counted.removeAttribute("aria-busy");
  }

  form.addEventListener("input", (event) => {
    if (event.target.matches("[data-filter], [name=name]")) return;
    counted.setAttribute("aria-busy", "true");
    clearTimeout(soon);
    soon = setTimeout(count, 250);
  });
}
