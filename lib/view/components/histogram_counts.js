// Which photos pass the chosen bars, and how many of them each bar has. `chosen` has, by histogram, a set of bins.

// Whether each photo passes all histograms but `left`: 1 or 0 for each row. `passing` in lib/measure/histograms.py is
// the same for all of them.
export function passingRows(histograms, chosen, count, left = null) {
  const passing = new Uint8Array(count).fill(1);
  for (const { name, codes } of histograms) {
    const bins = chosen.get(name);
    if (name === left || !bins?.size) continue;
    for (let row = 0; row < count; row++) if (!bins.has(codes[row])) passing[row] = 0;
  }
  return passing;
}

// The number of photos in each bin, of those that pass only where `passing` is given.
export function binCounts({ codes, bins }, passing = null) {
  const counts = new Array(bins.length).fill(0);
  for (let row = 0; row < codes.length; row++) if (!passing || passing[row]) counts[codes[row]] += 1;
  return counts;
}

export function total(passing) {
  return passing.reduce((sum, each) => sum + each, 0);
}

// `chosen` after a click on one bin, or a drag over the bins from `first` to `last`: the bins are chosen, or no longer
// where all of them were. Bins that lie between are meant too.
export function withBins(chosen, name, first, last = first) {
  const [low, high] = [Math.min(first, last), Math.max(first, last)];
  const meant = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  const bins = new Set(chosen.get(name));
  const wereChosen = meant.every((bin) => bins.has(bin));
  for (const bin of meant) {
    if (wereChosen) bins.delete(bin);
    else bins.add(bin);
  }
  const next = new Map(chosen);
  if (bins.size) next.set(name, bins);
  else next.delete(name);
  return next;
}

// The report to the server: {name: [bin, …]}.
export function report(chosen) {
  return Object.fromEntries([...chosen].map(([name, bins]) => [name, [...bins].sort((a, b) => a - b)]));
}

// A count with its thousands apart.
export function number(value) {
  return value.toLocaleString("en-US");
}

// What is said of the filter above the histograms.
export function summary(passing, count, isFiltered, selected) {
  if (isFiltered) return `${number(passing)} of ${number(count)} photos pass`;
  if (selected) return `No filter; ${number(selected)} of ${number(count)} photos are selected`;
  return `No filter; all ${number(count)} photos`;
}

// The chosen bins in a few words: names, or for numbers the ends of one range.
export function chosenWords(bins, chosen, isNumber) {
  const order = [...chosen].sort((a, b) => a - b);
  const [first, last] = [order[0], order.at(-1)];
  if (isNumber && order.length > 1 && last - first === order.length - 1) {
    return `${bins[first].split(" to ")[0]} to ${bins[last].split(" to ").at(-1)}`;
  }
  return order.length > 3 ? `${order.length} chosen` : order.map((bin) => bins[bin]).join(", ");
}
