// The live board: takes the inside of the page from the server, and counts down to arrivals.

import { countDown } from "./countdown.js";

const board = document.getElementById("board");
const lost = document.getElementById("lost");

const events = new EventSource("/board/events");
events.addEventListener("board", (event) => {
  board.innerHTML = event.data;
  lost.hidden = true;
  countDown(board);
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
setInterval(() => countDown(board), 15000);
countDown(board);
