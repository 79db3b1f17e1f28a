// A picture at its full size, over the whole page.

import { el, icon, iconButton } from "./dom.js";
import { say } from "./words.js";

/** `scan` is called for a picture with a code in it. */
export function enlarge({ photo }, scan) {
  const dialog = el(
    "dialog",
    { class: "lightbox", "aria-label": say("picture_alone") },
    el("img", { src: photo.url, alt: say("picture_alone"), width: photo.width, height: photo.height }),
    el(
      "div",
      { class: "lightbox-bar" },
      photo.qr &&
        el(
          "button",
          {
            type: "button",
            class: "primary",
            onclick: () => {
              dialog.close();
              scan();
            },
          },
          icon("scan"),
          say("scan_with"),
        ),
      iconButton("close", say("close"), () => dialog.close()),
    ),
  );
  dialog.addEventListener("click", (event) => event.target.closest("button") || dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
