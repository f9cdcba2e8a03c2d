// Points on a plane, to look at closely. The points themselves are drawn by `points.js`; lines, tools and legend here.
// The server sends columns (base64) and says what is lit; this reports clicks, polygons and what is in view.

const HEIGHT = 620;
const UNKNOWN = 0xffff;
const GREY = [140, 135, 148];
const REACH = 9; // px from the pointer to the point that it means
const WAIT = 90; // ms that the pointer rests on a point before its photo is asked for
const VIEWS = new Map(); // where each plane was left, also when the page was left meanwhile

const unpacked = (text, Kind) => new Kind(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);

const rgb = (hex) => [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text; // never HTML: names come from file systems
  return made;
}

// --- one chart ---------------------------------------------------------------------------------------------------

function chart(root) {
  const bar = element("div", "bar"), tools = element("div", "tools"), legend = element("div", "legend");
  const plot = element("div", "plot"), tip = element("div", "tip");
  const ground = element("img", "density"), points = element("canvas", "points");
  const photos = element("div", "photos"), over = element("canvas", "over");
  bar.append(tools, legend);
  plot.append(ground, points, photos, over, tip);
  const way = element("div", "way"), play = element("button", "tool", "play_arrow"), slide = element("input", "slide");
  const stations = element("div", "stations");
  way.append(play, slide, stations);
  root.append(bar, plot, way);
  over.tabIndex = 0;
  tip.hidden = true;
  ground.hidden = true;
  let engine = webgl(points) || plain(points);
  const pen = over.getContext("2d");
  const state = { tool: "lasso", hidden: new Set(), data: null, inView: "[]", count: 0, told: -1, photos: new Map(),
    before: new Set(), position: 0, travelling: 0 };
  const size = { width: 1, height: HEIGHT };
  const ratio = () => window.devicePixelRatio || 1;
  let view = { x: 0, y: 0, scale: 1, whole: true };
  let trail = null, frame = 0, settled = 0, tell = () => {}, keep = () => {};

  const screen = (x, y) => [(x - view.x) * view.scale + size.width / 2, size.height / 2 - (y - view.y) * view.scale];
  const place = (left, top) => [view.x + (left - size.width / 2) / view.scale,
    view.y - (top - size.height / 2) / view.scale];
  const isShown = (i) => !state.hidden.has(state.data.codes[i]);

  function whole() {
    const [left, bottom, right, top] = state.data.bounds;
    const scale = 0.94 * Math.min(size.width / (right - left || 1), size.height / (top - bottom || 1));
    return { x: (left + right) / 2, y: (bottom + top) / 2, scale, whole: true };
  }

  function moved(next) {
    view = next;
    VIEWS.set(state.data.plane, view);
    draw();
    clearTimeout(settled);
    settled = setTimeout(reportView, 250);
  }

  // Few enough points in view are to be seen as photos, which the server has.
  function reportView() {
    const { xy, rows, most } = state.data, found = [];
    for (let i = 0; i < rows.length && found.length <= most; i++) {
      const [left, top] = screen(xy[2 * i], xy[2 * i + 1]);
      if (isShown(i) && left >= 0 && top >= 0 && left <= size.width && top <= size.height) found.push(rows[i]);
    }
    const told = JSON.stringify(found.length > most ? [] : found);
    if (told === state.inView) return;
    state.inView = told;
    keep("inview", { plane: state.data.plane, rows: JSON.parse(told) });
  }

  function style() {
    const { codes, palette, lit, base } = state.data, n = codes.length;
    const colour = new Uint8Array(4 * n), sizes = new Uint8Array(n), back = [], front = [];
    const vivid = [...palette.map(rgb), GREY].map((ink) => [...ink, lit ? 255 : 205]);
    // Greyed, not gone: what is not selected stays visible.
    const faint = vivid.map((ink) => [0, 1, 2].map((part) => 0.3 * ink[part] + 0.7 * GREY[part]).concat(64));
    for (let i = 0; i < n; i++) {
      if (!isShown(i)) continue;
      const bright = !lit || (lit[i >> 3] >> (7 - (i & 7))) & 1;
      colour.set((bright ? vivid : faint)[Math.min(codes[i], palette.length)], 4 * i);
      sizes[i] = base + (lit && bright ? 2 : 0);
      (bright && codes[i] !== UNKNOWN ? front : back).push(i);
    }
    engine.put("colour", colour);
    engine.put("size", sizes);
    engine.order(Uint32Array.from(back.concat(front)));
    state.count = back.length + front.length;
  }

  function draw() {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      engine.draw(view, size, ratio(), state.count);
      overlay();
      const { density } = state.data;
      ground.hidden = !density;
      if (density) {
        const [left, top] = screen(density.left, density.top), [right, bottom] = screen(density.right, density.bottom);
        Object.assign(ground.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`,
          height: `${bottom - top}px` });
      }
      for (const photo of photos.children) {
        const [left, top] = screen(Number(photo.dataset.x), Number(photo.dataset.y));
        photo.style.transform = `translate(${left - 24}px, ${top - 24}px)`;
      }
    });
  }

  // The ranks of neighbours, above everything else; a farther one that would stand on another could not be read.
  function ranks(places) {
    const style = getComputedStyle(plot), taken = [];
    pen.font = "600 12px sans-serif";
    pen.textAlign = "center";
    pen.lineWidth = 3;
    pen.lineJoin = "round";
    pen.strokeStyle = style.getPropertyValue("--st-background-color");
    pen.fillStyle = style.getPropertyValue("--st-text-color");
    places.forEach(([left, top], i) => {
      if (taken.some(([x, y]) => Math.abs(x - left) < 16 && Math.abs(y - top) < 13)) return;
      taken.push([left, top]);
      pen.strokeText(String(i + 1), left, top - 9);
      pen.fillText(String(i + 1), left, top - 9);
    });
    pen.strokeStyle = pen.fillStyle = state.data.ink;
  }

  function overlay() {
    const { lines, ink } = state.data;
    pen.setTransform(ratio(), 0, 0, ratio(), 0, 0);
    pen.clearRect(0, 0, size.width, size.height);
    pen.strokeStyle = pen.fillStyle = ink;
    if (lines) {
      const from = screen(...lines.at);
      const ring = ([left, top], radius, width) => {
        pen.lineWidth = width;
        pen.beginPath();
        pen.arc(left, top, radius, 0, 7);
        pen.stroke();
      };
      lines.near.forEach(([x, y]) => {
        const to = screen(x, y);
        pen.globalAlpha = 0.7;
        pen.lineWidth = 1.6;
        pen.beginPath();
        pen.moveTo(...from);
        pen.lineTo(...to);
        pen.stroke();
        pen.globalAlpha = 1;
        ring(to, 6, 1.6);
      });
      ring(from, 10, 3);
      ranks(lines.near.map(([x, y]) => screen(x, y)));
    }
    if (trail) {
      pen.lineWidth = 1.6;
      pen.setLineDash([5, 4]);
      pen.beginPath();
      trail.forEach((at, i) => (i ? pen.lineTo(...at) : pen.moveTo(...at)));
      pen.closePath();
      pen.stroke();
      pen.globalAlpha = 0.12;
      pen.fill();
      pen.globalAlpha = 1;
      pen.setLineDash([]);
    }
  }

  // --- what the pointer means ---

  function nearest(left, top) {
    const { xy, codes } = state.data;
    const [x, y] = place(left, top);
    let best = -1, least = (REACH / view.scale) ** 2;
    for (let i = 0; i < codes.length; i++) {
      const far = (xy[2 * i] - x) ** 2 + (xy[2 * i + 1] - y) ** 2;
      if (far <= least && isShown(i)) [best, least] = [i, far];
    }
    return best;
  }

  function words(i) {
    const { classes, labels, codes, values, legend: entries, scale, ids } = state.data;
    const told = [classes[labels[i]]];
    if (scale) told.push(`${scale.title}: ${Number.isNaN(values[i]) ? "unknown" : Number(values[i].toPrecision(3))}`);
    else if (codes[i] !== UNKNOWN) {
      const { name } = entries.find(({ code }) => code === codes[i]);
      if (name !== told[0]) told.push(name);
    }
    return [told.join(" · "), ids[i]];
  }

  function point(left, top) {
    const i = nearest(left, top);
    over.style.cursor = i >= 0 ? "pointer" : state.tool === "pan" ? "grab" : "crosshair";
    if (i === state.told) return;
    state.told = i;
    tip.hidden = i < 0;
    clearTimeout(state.waiting);
    if (i < 0) return;
    tip.replaceChildren(...words(i).map((line) => element("div", "", line)));
    const x = left > size.width - 260 ? left - 254 : left + 14;
    tip.style.transform = `translate(${x}px, ${Math.min(Math.max(4, top - 60), size.height - 190)}px)`;
    const row = state.data.rows[i];
    if (state.photos.has(row)) peeked(row, state.photos.get(row));
    else ask();
  }

  // The photo of the point under the pointer, once it has rested there.
  function ask() {
    clearTimeout(state.waiting);
    state.waiting = setTimeout(() => window.dispatchEvent(new CustomEvent("petalscope-hover",
      { detail: { chart: state.data.key, row: state.data.rows[state.told] } })), WAIT);
  }

  // A photo that the server has sent for the point under the pointer.
  function peeked(row, src) {
    if (!src) return;
    if (state.photos.size > 400) state.photos.clear();
    state.photos.set(row, src);
    if (tip.hidden || state.data.rows[state.told] !== row || tip.querySelector("img")) return;
    clearTimeout(state.waiting);
    const photo = element("img", "");
    photo.src = src;
    photo.alt = "";
    tip.prepend(photo);
  }
  // Where `scatter.py` listens is mounted after this chart, and is gone for a moment whenever the page is drawn. What was
  // asked for meanwhile is asked for again when it speaks next.
  function hear({ detail }) {
    if (!root.isConnected) window.removeEventListener("petalscope-photo", hear); // the page was left
    else if (state.data && detail.chart === state.data.key) {
      peeked(detail.row, detail.src);
      if (!tip.hidden && detail.row !== state.data.rows[state.told] && !tip.querySelector("img")) ask();
    }
  }

  function silent() {
    tip.hidden = true;
    state.told = -1;
    clearTimeout(state.waiting);
  }

  const at = (event) => {
    const box = over.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  let start = null;
  over.onpointerdown = (event) => {
    if (event.button) return;
    over.setPointerCapture(event.pointerId);
    start = { at: at(event), view, far: 0 };
    trail = null;
  };
  over.onpointermove = (event) => {
    const [left, top] = at(event);
    if (!start) return point(left, top);
    const [x, y] = start.at;
    start.far = Math.max(start.far, Math.hypot(left - x, top - y));
    if (start.far < 4) return undefined;
    silent();
    if (state.tool === "pan") {
      return moved({ ...start.view, whole: false, x: start.view.x - (left - x) / view.scale,
        y: start.view.y + (top - y) / view.scale });
    }
    if (state.tool === "box") trail = [[x, y], [left, y], [left, top], [x, top]];
    else (trail ||= [start.at]).push([left, top]);
    return draw();
  };
  over.onpointerup = (event) => {
    if (!start) return;
    const clicked = start.far < 4 ? nearest(...at(event)) : -1;
    if (clicked >= 0) tell("clicked", state.data.rows[clicked]);
    else if (trail && trail.length > 2) {
      tell("drawn", { polygon: trail.map((each) => place(...each)), hidden: [...state.hidden], add: event.shiftKey,
        at: state.position });
    }
    start = trail = null;
    draw();
  };
  over.onpointercancel = () => { start = trail = null; draw(); };
  over.onpointerleave = silent;
  over.ondblclick = (event) => { if (nearest(...at(event)) < 0) moved(whole()); };
  const zoom = (factor, left = size.width / 2, top = size.height / 2) => {
    const [x, y] = place(left, top), scale = Math.min(1e6, Math.max(1e-6, view.scale * factor));
    const share = view.scale / scale;
    moved({ x: x + (view.x - x) * share, y: y + (view.y - y) * share, scale, whole: false });
  };
  over.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...at(event));
  }, { passive: false });
  over.onkeydown = (event) => {
    const step = 60 / view.scale;
    const ways = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (event.key in ways) {
      const [x, y] = ways[event.key];
      moved({ ...view, x: view.x + x, y: view.y + y, whole: false });
    } else if (event.key === "+" || event.key === "=") zoom(1.4);
    else if (event.key === "-") zoom(1 / 1.4);
    else if (event.key === "0") moved(whole());
    else if (event.key === "Escape") { start = trail = null; draw(); }
    else return;
    event.preventDefault();
  };

  // --- the bar above the plot ---

  function picture() {
    const made = element("canvas", "");
    [made.width, made.height] = [over.width, over.height];
    const brush = made.getContext("2d");
    brush.fillStyle = getComputedStyle(root).getPropertyValue("--st-background-color") || "#fff";
    brush.fillRect(0, 0, made.width, made.height);
    if (!ground.hidden) {
      const sides = ["left", "top", "width", "height"].map((side) => parseFloat(ground.style[side]));
      brush.drawImage(ground, ...sides.map((side) => side * ratio()));
    }
    engine.draw(view, size, ratio(), state.count);
    brush.drawImage(points, 0, 0);
    brush.drawImage(over, 0, 0);
    const link = element("a", "");
    link.download = "petalscope-map.png";
    link.href = made.toDataURL("image/png");
    link.click();
  }

  const button = (name, sign, act) => {
    const made = element("button", "tool", sign);
    made.type = "button";
    made.title = name;
    made.setAttribute("aria-label", name);
    made.onclick = act;
    tools.append(made);
    return made;
  };
  const choices = [["lasso", "Lasso: drag around points, Shift adds", "lasso_select"],
    ["box", "Box: drag over points, Shift adds", "select"], ["pan", "Move: drag the map", "open_with"],
  ].map(([tool, name, sign]) => [tool, button(name, sign, () => choose(tool))]);
  function choose(tool) {
    state.tool = tool;
    for (const [name, made] of choices) made.setAttribute("aria-pressed", String(name === tool));
  }
  choose("lasso");
  button("Zoom in", "zoom_in", () => zoom(1.4));
  button("Zoom out", "zoom_out", () => zoom(1 / 1.4));
  button("Show everything", "fit_screen", () => moved(whole()));
  button("Full screen", "fullscreen", () =>
    (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen()));
  button("Save as PNG", "photo_camera", picture);

  function hide(codes) {
    state.hidden = new Set(codes);
    key();
    style();
    draw();
    reportView();
  }

  function key() {
    const { legend: entries, scale, palette, lines, ink } = state.data, items = [];
    if (scale) {
      const strip = element("span", "strip");
      strip.style.background = `linear-gradient(90deg, ${palette.filter((_, i) => i % 16 === 0).join(", ")})`;
      const tidy = (value) => String(Number(value.toPrecision(3)));
      items.push(element("span", "title", scale.title), element("span", "", tidy(scale.low)), strip,
        element("span", "", tidy(scale.high)));
    }
    for (const { name, code, colour } of entries) {
      const made = element("button", "entry"), dot = element("i", "");
      dot.style.background = colour;
      made.append(dot, element("span", "", name));
      made.type = "button";
      made.title = "Click hides, double-click shows it alone";
      made.setAttribute("aria-pressed", String(!state.hidden.has(code)));
      made.onclick = (event) => {
        const others = entries.map((each) => each.code).filter((each) => each !== code);
        // Two quick clicks: alone, or all again when it was alone.
        const wasAlone = state.before.size === others.length && !state.before.has(code);
        if (event.detail === 2) return hide(wasAlone ? [] : others);
        state.before = new Set(state.hidden);
        const next = new Set(state.hidden);
        if (!next.delete(code)) next.add(code);
        return hide(next);
      };
      items.push(made);
    }
    if (lines) {
      for (const [name, kind] of [[lines.name, "ring"], [lines.called, "rings"]]) {
        const told = element("span", `entry ${kind}`), dot = element("i", "");
        dot.style.borderColor = ink;
        told.append(dot, element("span", "", name));
        items.push(told);
      }
    }
    // What has the focus or was just clicked stays the same element, or a second click would miss it.
    const told = JSON.stringify(items.map((item) => item.outerHTML.replace(/aria-pressed="\w+"/, "")));
    if (told === state.key) {
      items.forEach((item, i) => {
        if (item.hasAttribute("aria-pressed")) {
          legend.children[i].setAttribute("aria-pressed", item.getAttribute("aria-pressed"));
          legend.children[i].onclick = item.onclick;
        }
      });
    } else legend.replaceChildren(...items);
    state.key = told;
  }

  // --- the way from one plane to the next, where there are several ---

  // Slow at both ends of each stretch; `blend` in scatter.py does the same.
  function stand(position) {
    const { stops, xy } = state.data, from = Math.min(Math.floor(position), stops.length - 2);
    const share = (1 - Math.cos(Math.PI * (position - from))) / 2, before = stops[from], after = stops[from + 1];
    for (let i = 0; i < xy.length; i++) xy[i] = before[i] + share * (after[i] - before[i]);
    state.position = position;
    slide.value = String(position);
    [...stations.children].forEach((each, i) => each.setAttribute("aria-pressed", String(i === position)));
    engine.put("xy", xy);
    silent();
    draw();
    clearTimeout(settled);
    settled = setTimeout(reportView, 250);
  }

  function travel(to) {
    cancelAnimationFrame(state.travelling);
    const from = state.position, start = performance.now(), length = 1500 * Math.abs(to - from);
    play.textContent = length ? "pause" : "play_arrow";
    const step = (now) => {
      const share = length ? Math.min(1, Math.max(0, now - start) / length) : 1; // a frame may be older
      stand(share === 1 ? to : from + share * (to - from));
      if (share < 1) state.travelling = requestAnimationFrame(step);
      else play.textContent = "play_arrow";
    };
    state.travelling = requestAnimationFrame(step);
  }

  function stopped() {
    cancelAnimationFrame(state.travelling);
    play.textContent = "play_arrow";
  }

  play.type = "button";
  play.title = "Play";
  play.setAttribute("aria-label", "Play");
  play.onclick = () => {
    if (play.textContent === "pause") return stopped();
    const last = state.data.stops.length - 1;
    if (state.position === last) stand(0);
    return travel(last);
  };
  Object.assign(slide, { type: "range", min: "0", step: "0.01" });
  slide.setAttribute("aria-label", "From one map to the next");
  slide.oninput = () => { stopped(); stand(Number(slide.value)); };

  function stretch(titles) {
    slide.max = String(titles.length - 1);
    stations.replaceChildren(...titles.map((title, i) => {
      const made = element("button", "entry", title);
      made.type = "button";
      made.onclick = () => travel(i);
      return made;
    }));
  }

  // --- what the server says ---

  function resize() {
    const width = Math.max(200, plot.clientWidth), height = Math.max(200, plot.clientHeight);
    if (width === size.width && height === size.height && points.width === Math.round(width * ratio())) return;
    Object.assign(size, { width, height });
    for (const canvas of [points, over]) {
      [canvas.width, canvas.height] = [width, height].map((side) => Math.round(side * ratio()));
    }
    if (!state.data) return;
    if (view.whole) view = whole();
    draw();
    clearTimeout(settled);
    settled = setTimeout(reportView, 250);
  }

  function update(sent, setTriggerValue, setStateValue) {
    [tell, keep] = [setTriggerValue, setStateValue];
    const before = state.data, same = (name) => before && before.sent[name] === sent[name];
    const data = { ...sent, sent };
    for (const [name, Kind] of Object.entries({ xy: Float32Array, rows: Uint32Array, labels: Uint16Array,
      codes: Uint16Array, values: Float32Array, lit: Uint8Array })) {
      data[name] = same(name) ? before[name] : sent[name] === null ? null : unpacked(sent[name], Kind);
    }
    data.ids = same("ids") ? before.ids : JSON.parse(sent.ids);
    state.data = data;
    window.addEventListener("petalscope-photo", hear); // once, however often it is said
    if (!before || before.plane !== data.plane) {
      silent();
      state.photos.clear();
      size.width = 0;
      resize();
      view = VIEWS.get(data.plane) || whole();
      if (view.whole) view = whole();
    }
    // Other values have other names: what was hidden by the old ones is shown again.
    if (!same("legend") && JSON.stringify(before?.legend) !== JSON.stringify(data.legend)) state.hidden = new Set();
    if (!same("xy")) engine.put("xy", data.xy);
    way.hidden = !data.stops;
    for (const [tool, made] of choices) made.hidden = tool !== "pan" && !data.lasso;
    if (!data.lasso) choose("pan");
    if (data.stops) {
      const known = before?.stops && JSON.stringify(before.sent.stops) === JSON.stringify(sent.stops);
      data.stops = known ? before.stops : sent.stops.map((stop) => unpacked(stop.xy, Float32Array));
      if (!known) {
        stretch(sent.stops.map(({ title }) => title));
        stand(0);
      }
    }
    over.setAttribute("role", "img");
    over.setAttribute("aria-label", data.title);
    if (data.density) ground.src = data.density.src;
    photos.replaceChildren(...data.photos.map((photo) => {
      const made = element("img", "");
      Object.assign(made, { src: photo.src, alt: photo.alt });
      Object.assign(made.dataset, { x: photo.x, y: photo.y });
      made.style.borderColor = photo.colour;
      made.style.opacity = photo.opacity;
      return made;
    }));
    key();
    style();
    draw();
    clearTimeout(settled);
    settled = setTimeout(reportView, 250);
  }

  points.addEventListener("webglcontextlost", (event) => event.preventDefault());
  points.addEventListener("webglcontextrestored", () => {
    engine = webgl(points);
    engine.put("xy", state.data.xy);
    style();
    draw();
  });
  new ResizeObserver(resize).observe(plot);
  return { update, screen, place, state, plot, get view() { return view; } };
}

export default function ({ parentElement, data, setTriggerValue, setStateValue }) {
  let root = parentElement.querySelector(".scatter");
  if (!root) {
    root = element("div", "scatter");
    parentElement.append(root);
    root.chart = chart(root);
  }
  root.dataset.plane = data.plane;
  root.chart.update(data, setTriggerValue, setStateValue);
}
