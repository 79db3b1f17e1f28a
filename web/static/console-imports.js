// While an import is under way: once it has come to rest, the whole page is shown anew.

const part = document.querySelector("[data-live]");
new MutationObserver(() => {
  if (part.querySelector("[data-settled]")) location.reload();
}).observe(part, { childList: true });
