// A map on which a click or a dragged pin writes the coordinates into the field that it names.
// Without tiles: what is drawn are the town's own figures.

const PAIR = /^\s*(-?\d{1,3}(?:\.\d+)?)\s*[,，/ ]\s*(-?\d{1,3}(?:\.\d+)?)\s*$/;
const CLOSE = 15;
const RED = "#d8382f";

// Names are written by people: as text, never as markup.
function plain(name) {
  const span = document.createElement("span");
  span.textContent = name;
  return span;
}

// Of names that would lie on each other, the first is shown.
function thin(dots) {
  const shown = [];
  for (const dot of dots) {
    const name = dot.getTooltip().getElement();
    if (!name) continue;
    name.hidden = false;
    const box = name.getBoundingClientRect();
    const hides = shown.some((other) => box.left < other.right && other.left < box.right
      && box.top < other.bottom && other.top < box.bottom);
    name.hidden = hides;
    if (!hides) shown.push(box);
  }
}

for (const box of document.querySelectorAll("[data-pin]")) {
  const field = document.getElementById(box.dataset.pin);
  const map = L.map(box, { attributionControl: false, preferCanvas: true, zoomSnap: 0.25 });
  const names = [];
  const areas = JSON.parse(box.dataset.areas);
  for (const area of areas) {
    const town = area.kind === "town_association";
    const dot = L.circleMarker([area.latitude, area.longitude], {
      radius: town ? 6 : 3, weight: 1, color: RED, fillOpacity: town ? 0.5 : 0.2,
    }).bindTooltip(plain(area.name), { permanent: town, direction: "right" }).addTo(map);
    if (town) names.push(dot);
  }
  map.on("zoomend viewreset", () => thin(names));
  L.control.scale({ imperial: false }).addTo(map);

  let pin = null;
  let near = null;

  function put(at) {
    if (pin === null) {
      pin = L.marker(at, { draggable: true, keyboard: true, alt: box.getAttribute("aria-label") }).addTo(map);
      near = L.circle(at, { radius: Number(box.dataset.radius), color: RED, weight: 2 }).addTo(map);
      pin.on("drag", () => say(pin.getLatLng()));
    }
    pin.setLatLng(at);
    near.setLatLng(at);
  }

  function say(at) {
    field.value = `${at.lat.toFixed(6)}, ${at.lng.toFixed(6)}`;
    put(at);
  }

  function read() {
    const found = PAIR.exec(field.value);
    return found ? L.latLng(Number(found[1]), Number(found[2])) : null;
  }

  map.on("click", (event) => say(event.latlng.wrap()));
  field.addEventListener("input", () => {
    const at = read();
    if (at === null) return;
    put(at);
    map.setView(at, Math.max(map.getZoom(), CLOSE));
  });

  const at = read();
  const own = areas.filter((area) => area.own);
  if (at !== null) {
    map.setView(at, CLOSE);
    put(at);
  } else if (own.length === 1) {
    map.setView([own[0].latitude, own[0].longitude], CLOSE - 2);
  } else if (areas.length > 0) {
    map.fitBounds(areas.map((area) => [area.latitude, area.longitude]), { padding: [24, 24] });
  } else {
    map.setView([0, 0], 1);
  }
}
