// The live board: takes the inside of the page from the server, and counts down to arrivals.

const board = document.getElementById("board");
const lost = document.getElementById("lost");

function countDown() {
  for (const time of board.querySelectorAll("[data-due]")) {
    const minutes = Math.ceil((new Date(time.dataset.due) - Date.now()) / 60000);
    time.dataset.clock ??= time.textContent;
    time.textContent = `${time.dataset.clock} (${minutes > 0 ? "−" : "+"}${Math.abs(minutes)})`;
    time.classList.toggle("late", minutes < 0);
  }
}

const events = new EventSource("/board/events");
events.addEventListener("board", (event) => {
  board.innerHTML = event.data;
  lost.hidden = true;
  countDown();
});
events.addEventListener("gone", (event) => {
  events.close();
  document.body.className = "plain";
  board.innerHTML = event.data;
});
events.addEventListener("error", () => {
  lost.hidden = false;
});
events.addEventListener("open", () => {
  lost.hidden = true;
});
setInterval(countDown, 15000);
countDown();
