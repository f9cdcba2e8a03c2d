// Small histograms of the photos' properties. A click on a bar, or a drag over bars of numbers, filters: the map and the
// other histograms show it at once, and the server makes the photos that pass the selection.
//
// The map hears `petalscope-pass`, with 1 or 0 for each row of the catalog, or null where nothing is filtered.

import { element } from "./dom.js";
import { binCounts, chosenWords, number, passingRows, report, summary, total, withBins } from "./histogram_counts.js";
import { bitAt } from "./scatter_parts/colours.js";
import { decodeColumn } from "./scatter_parts/columns.js";

const OPEN = 5; // so many histograms are open at first
const PATIENCE_MS = 5000; // then the server's word counts again
const FORWARD = new Set(["ArrowRight", "ArrowDown"]);
const BACKWARD = new Set(["ArrowLeft", "ArrowUp"]);

// One histogram: its bars are buttons, of which Tab reaches one, and the arrow keys the others.
function createHistogram(histogram, panel) {
  const { name, title, about, bins, colours, is_number: isNumber } = histogram;
  const node = element("details", isNumber ? "histogram numbers" : "histogram");
  const heading = element("summary", "", title);
  const chosenNote = element("span", "note");
  const group = element("div", "bars");
  const totals = binCounts(histogram);
  const longest = Math.max(1, ...totals);
  let drag = null; // the first and the last bar of a drag
  heading.append(chosenNote);
  heading.title = about;
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", title);

  const bars = bins.map((bin, i) => {
    const bar = element("button", "bar");
    const [all, part] = [element("span", "all"), element("span", "part")];
    const count = element("span", "count");
    const length = (value) => `${(100 * value) / longest}%`;
    bar.type = "button";
    bar.tabIndex = i ? -1 : 0;
    all.style.setProperty("--length", length(totals[i]));
    if (colours?.[i]) part.style.setProperty("--colour", colours[i]);
    const track = element("span", "track");
    track.append(all, part);
    if (isNumber) bar.append(track);
    else bar.append(element("span", "name", bin), track, count);
    bar.title = isNumber ? `${title} ${bin}` : bin;
    group.append(bar);
    return {
      bar,
      show(passing, isChosen) {
        part.style.setProperty("--length", length(passing));
        count.textContent = number(passing);
        bar.setAttribute("aria-pressed", String(isChosen));
        bar.setAttribute("aria-label", `${title}, ${bin}: ${number(passing)} of ${number(totals[i])} photos`);
        bar.title = `${bin}: ${number(passing)} of ${number(totals[i])} photos`;
      },
    };
  });

  const indexOf = (target) => bars.findIndex(({ bar }) => bar === target);
  const barAt = (event) => {
    const root = group.getRootNode();
    return indexOf(root.elementFromPoint(event.clientX, event.clientY)?.closest(".bar"));
  };
  function mark() {
    bars.forEach(({ bar }, i) => {
      const isMeant = drag && i >= Math.min(drag.first, drag.last) && i <= Math.max(drag.first, drag.last);
      bar.classList.toggle("meant", Boolean(isMeant));
    });
  }
  group.onclick = (event) => {
    const i = indexOf(event.target.closest(".bar"));
    // A press of a key clicks too, but without a pointer; a drag has chosen already.
    if (i >= 0 && (event.detail === 0 || !isNumber)) panel.choose(name, i);
  };
  if (isNumber) {
    group.onpointerdown = (event) => {
      const i = barAt(event);
      if (event.button || i < 0) return;
      drag = { first: i, last: i };
      mark();
    };
    group.onpointermove = (event) => {
      const i = drag ? barAt(event) : -1;
      if (i >= 0) drag.last = i;
      if (drag) mark();
    };
    const end = (isDone) => () => {
      if (drag && isDone) panel.choose(name, drag.first, drag.last);
      drag = null;
      mark();
    };
    group.onpointerup = end(true);
    group.onpointerleave = end(true);
    group.onpointercancel = end(false);
  }
  group.onkeydown = (event) => {
    const step = FORWARD.has(event.key) ? 1 : BACKWARD.has(event.key) ? -1 : 0;
    const root = group.getRootNode();
    const next = bars[indexOf(root.activeElement) + step];
    if (!step || !next) return;
    for (const { bar } of bars) bar.tabIndex = bar === next.bar ? 0 : -1;
    next.bar.focus();
    event.preventDefault();
  };

  node.append(heading, group);
  if (isNumber) {
    const ends = element("div", "ends");
    ends.append(element("span", "", histogram.low), element("span", "", histogram.high));
    node.append(ends);
  }
  return {
    node,
    show(counts, chosen) {
      bars.forEach((bar, i) => {
        bar.show(counts[i], chosen.has(i));
      });
      group.classList.toggle("filters", chosen.size > 0);
      chosenNote.textContent = chosenWords(bins, chosen, isNumber);
    },
  };
}

function createPanel(root) {
  const head = element("div", "head");
  const count = element("span", "passing");
  const clear = element("button", "clear", "Clear filter");
  const list = element("div", "list");
  let [data, chosen, shown] = [null, new Map(), []];
  let [columns, expected, expectedUntil] = ["", null, 0];
  let trigger = () => {};
  clear.type = "button";
  count.setAttribute("role", "status");
  head.append(count, clear);
  root.append(head, list);

  function draw() {
    const isFiltered = chosen.size > 0;
    const passing = isFiltered ? passingRows(data.histograms, chosen, data.count) : data.selected;
    count.textContent = summary(
      passing ? total(passing) : data.count,
      data.count,
      isFiltered,
      data.selected && total(data.selected),
    );
    clear.hidden = !isFiltered;
    data.histograms.forEach((histogram, i) => {
      const { name } = histogram;
      const others = isFiltered ? passingRows(data.histograms, chosen, data.count, name) : data.selected;
      shown[i].show(binCounts(histogram, others), chosen.get(name) ?? new Set());
    });
  }

  function choose(next) {
    chosen = next;
    const passing = chosen.size ? passingRows(data.histograms, chosen, data.count) : null;
    window.dispatchEvent(new CustomEvent("petalscope-pass", { detail: { passing } }));
    data.selected = null;
    draw();
    expected = JSON.stringify(report(chosen));
    expectedUntil = performance.now() + PATIENCE_MS;
    trigger("filtered", report(chosen));
  }
  clear.onclick = () => choose(new Map());
  const panel = { choose: (name, first, last) => choose(withBins(chosen, name, first, last)) };

  return (sent, setTriggerValue) => {
    trigger = setTriggerValue;
    const histograms = sent.histograms.map((each, i) => ({
      ...each,
      codes: sent.columns === columns ? data.histograms[i].codes : decodeColumn(each.codes, Uint8Array),
    }));
    const bits = sent.selected === null ? null : decodeColumn(sent.selected, Uint8Array);
    const selected = bits && Uint8Array.from({ length: sent.count }, (_, row) => bitAt(bits, row));
    data = { ...sent, histograms, selected };
    if (sent.columns !== columns) {
      const open = new Set(shown.filter(({ node }) => node.open).map(({ name }) => name));
      shown = histograms.map((histogram, i) => {
        const made = createHistogram(histogram, panel);
        made.name = histogram.name;
        made.node.open = shown.length ? open.has(histogram.name) : i < OPEN || histogram.name in sent.chosen;
        return made;
      });
      list.replaceChildren(...shown.map(({ node }) => node));
      columns = sent.columns;
    }
    // Clicks that the server has not answered yet stay.
    const isAnswered = expected === null || JSON.stringify(sent.chosen) === expected;
    if (isAnswered || performance.now() > expectedUntil) {
      chosen = new Map(Object.entries(sent.chosen).map(([name, bins]) => [name, new Set(bins)]));
      expected = null;
    }
    draw();
  };
}

export default function histograms({ parentElement, data, setTriggerValue }) {
  let root = parentElement.querySelector(".histograms");
  if (!root) {
    root = element("div", "histograms");
    parentElement.append(root);
    root.update = createPanel(root);
  }
  root.update(data, setTriggerValue);
}
