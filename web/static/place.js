// A place on a map that is drawn of what Muster knows: towns as circles, no tiles, no other server.

/* global L */

const TOWN = 1800; // metres

function typed(text) {
  const found = text.trim().match(/^(-?\d{1,3}(?:\.\d+)?)\s*[,，/ ]\s*(-?\d{1,3}(?:\.\d+)?)$/);
  return found ? L.latLng(Number(found[1]), Number(found[2])) : null;
}

function knownPlaces(text) {
  return text
    .split(";")
    .filter(Boolean)
    .map((one) => {
      const [latitude, longitude, name, what] = one.split("|");
      return { at: L.latLng(Number(latitude), Number(longitude)), name, what };
    });
}

function prepare(part) {
  const input = part.querySelector("input");
  const box = part.querySelector("[data-map]");
  const known = knownPlaces(box.dataset.known);
  const style = getComputedStyle(box);
  const ink = style.getPropertyValue("--bs-primary").trim();
  const radius = part.dataset.radius ? document.getElementById(part.dataset.radius) : null;
  box.hidden = false;

  const map = L.map(box, { attributionControl: false, scrollWheelZoom: false, zoomSnap: 0.25 });
  for (const one of known) {
    const name = { permanent: one.what === "town", direction: "center", className: "map-name" };
    if (one.what === "town") {
      L.circle(one.at, { radius: TOWN, color: ink, weight: 1, fillOpacity: 0.12, interactive: false }).addTo(map).bindTooltip(one.name, name);
    } else if (one.what === "earlier") {
      L.circleMarker(one.at, { radius: 7, color: ink, fillOpacity: 0.6 }).addTo(map).bindTooltip(one.name, { ...name, direction: "top" }).on("click", (event) => {
        L.DomEvent.stopPropagation(event);
        say(one.name);
      });
    }
  }
  L.control.scale({ imperial: false }).addTo(map);
  const pin = L.marker([0, 0], { draggable: true, keyboard: false, alt: input.labels[0]?.textContent ?? "" });
  const ring = L.circle([0, 0], { radius: 1, color: "#b3261e", weight: 2, fill: false, interactive: false });

  function place(at) {
    pin.setLatLng(at).addTo(map);
    ring.setLatLng(at);
    if (radius) ring.setRadius(Number(radius.value || radius.dataset.usual) * 1000).addTo(map);
  }

  function say(words) {
    input.value = words;
    for (const what of ["input", "change"]) input.dispatchEvent(new Event(what, { bubbles: true }));
  }

  function put(at) {
    say(`${at.lat.toFixed(5)}, ${at.lng.toFixed(5)}`);
  }

  function read() {
    const at = typed(input.value) ?? known.find((one) => one.name === input.value.trim())?.at;
    if (at) place(at);
    return at;
  }

  const bounds = L.latLngBounds(known.filter((one) => one.what === "town").map((one) => one.at));

  function look() {
    map.invalidateSize();
    if (bounds.isValid()) map.fitBounds(bounds.pad(0.05));
    else map.setView([22.52, 113.39], 11);
    const at = read();
    if (at) map.setView(at, Math.max(map.getZoom(), 11));
  }

  look();
  map.on("click", (event) => put(event.latlng));
  pin.on("dragend", () => put(pin.getLatLng()));
  input.addEventListener("change", () => {
    const there = read();
    if (there) map.panTo(there);
  });
  radius?.addEventListener("change", read);
  const earlier = part.querySelector("[data-earlier]");
  if (earlier) {
    earlier.hidden = false;
    for (const one of earlier.querySelectorAll("[data-to]")) {
      one.addEventListener("click", () => say(one.dataset.to));
    }
  }
  part.closest("details")?.addEventListener("toggle", look);
}

for (const part of document.querySelectorAll("[data-place]")) prepare(part);
