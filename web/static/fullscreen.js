// A button, or the key F, shows the page on the whole screen; once more, or Escape, brings it back.

const button = document.querySelector("[data-fullscreen]");

function toggle() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen();
}

if (document.fullscreenEnabled) {
  button.hidden = false;
  button.addEventListener("click", toggle);
  document.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.altKey && !event.metaKey;
    if (plain && event.key.toLowerCase() === "f") toggle();
  });
  document.addEventListener("fullscreenchange", () => {
    button.hidden = document.fullscreenElement !== null;
  });
}
