// What the browser keeps between visits: small values by name. Nothing here is needed to work.

const PREFIX = "playground.";

export function recall(name, otherwise = null) {
  try {
    const kept = localStorage.getItem(PREFIX + name);
    return kept === null ? otherwise : JSON.parse(kept);
  } catch {
    return otherwise; // storage switched off, or not ours
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // storage switched off or full: the next visit begins afresh
  }
}
