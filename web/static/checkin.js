// Fetches the code that is good now, again and again; a lost connection shows no stale code.

const body = document.body;
const code = document.querySelector(".code");
const bar = document.querySelector(".left i");
const ASK_EVERY = 5000;
const TRY_AGAIN = 2000;

function show(found) {
  const ended = found.over || found.state === "cancelled";
  code.innerHTML = ended ? "" : found.drawing;
  code.hidden = ended;
  document.querySelector("[data-there]").textContent = found.there;
  document.querySelector("[data-expected]").textContent = found.expected;
  say(ended ? "over" : null);
  bar.getAnimations().forEach((one) => one.cancel());
  const share = Math.min(found.changes_in / Number(body.dataset.seconds) / 1000, 1);
  bar.animate([{ transform: `scaleX(${share})` }, { transform: "scaleX(0)" }], found.changes_in);
}

function say(what) {
  for (const notice of document.querySelectorAll(".notice")) {
    notice.hidden = notice.dataset.notice !== what;
  }
}

let shownUntil = 0;

async function refresh() {
  let wait = TRY_AGAIN;
  try {
    const answer = await fetch(body.dataset.code, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    const found = await answer.json();
    show(found);
    shownUntil = Date.now() + found.changes_in;
    wait = Math.min(found.changes_in + 50, ASK_EVERY);
  } catch {
    say("offline");
    if (Date.now() > shownUntil) code.innerHTML = "";
  }
  setTimeout(refresh, wait);
}

refresh();
