// A call-out at the desk: counts down to arrivals, and makes itself heard when somebody gives SOS.

import { countDown } from "./countdown.js";

const board = document.querySelector("[data-board]");
const alarms = document.querySelector("[data-alarms]");
const title = document.title;
let heard = calling();
let sound = null;

function calling() {
  return alarms.querySelectorAll("[data-calls]").length;
}

// A browser lets a page sound only once somebody has pressed something on it.
for (const gesture of ["pointerdown", "keydown"]) {
  document.addEventListener(gesture, () => (sound ??= new AudioContext()), { once: true });
}

function ring() {
  if (!sound) return;
  for (const [after, pitch] of [[0, 880], [0.25, 660], [0.5, 880]]) {
    const tone = new OscillatorNode(sound, { frequency: pitch });
    const loud = new GainNode(sound, { gain: 0.15 });
    tone.connect(loud).connect(sound.destination);
    tone.start(sound.currentTime + after);
    tone.stop(sound.currentTime + after + 0.18);
  }
}

// Who gives SOS is touched only when it changes, since whatever is put there is read out at once.
function showAlarms(now) {
  if (alarms.innerHTML === now) return;
  alarms.innerHTML = now;
  const calls = calling();
  if (calls > heard) ring();
  heard = calls;
  document.title = calls ? `🆘 ${title}` : title;
}

board.addEventListener("renewed", () => {
  const inside = board.querySelector("[data-state]");
  if (inside.dataset.state !== board.dataset.board) location.reload();
  showAlarms(inside.innerHTML);
  countDown(board);
});

document.title = heard ? `🆘 ${title}` : title;
setInterval(() => countDown(board), 15000);
countDown(board);
