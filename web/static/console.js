// What pages of the console share: questions before a press, ticking all, and live parts.

for (const form of document.querySelectorAll("form[data-sure]")) {
  form.addEventListener("submit", (event) => {
    if (!confirm(form.dataset.sure)) event.preventDefault();
  });
}

for (const all of document.querySelectorAll("input[data-all]")) {
  all.addEventListener("change", () => {
    for (const one of document.getElementsByName(all.dataset.all)) one.checked = all.checked;
  });
}

// A form with data-at-once is sent as soon as something in it is chosen.
for (const form of document.querySelectorAll("form[data-at-once]")) {
  form.addEventListener("change", () => form.requestSubmit());
}

// <div data-live="/console/..."> takes its inside from the server; what is being typed in stays.
for (const part of document.querySelectorAll("[data-live]")) {
  const events = new EventSource(part.dataset.live);
  events.addEventListener("change", (event) => {
    if (part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")) return;
    part.innerHTML = event.data;
  });
  events.addEventListener("gone", () => {
    events.close();
    location.reload();
  });
}
