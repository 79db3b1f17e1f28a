// Minutes until somebody is due, behind the time of day.

export function countDown(part) {
  for (const time of part.querySelectorAll("[data-due]")) {
    const minutes = Math.ceil((new Date(time.dataset.due) - Date.now()) / 60000);
    time.dataset.clock ??= time.textContent;
    time.textContent = `${time.dataset.clock} (${minutes > 0 ? "−" : "+"}${Math.abs(minutes)})`;
    time.classList.toggle("late", minutes < 0);
  }
}
