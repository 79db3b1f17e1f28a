// Light or dark before anything is painted: as was chosen, or as the device has it.

const device = matchMedia("(prefers-color-scheme: dark)");

function paint() {
  const chosen = document.documentElement.dataset.look;
  const dark = chosen === "dark" || (chosen !== "light" && device.matches);
  document.documentElement.dataset.bsTheme = dark ? "dark" : "light";
}

device.addEventListener("change", paint);
paint();
