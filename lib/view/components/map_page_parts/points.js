// What is selected on a map that stands alone: points by polygon and by words, their classes, and their table.

import { packedBits } from "../scatter_parts/colours.js";

// Which points lie inside a closed polygon [[x, y], …], by the even-odd rule, as scatter.py decides it.
export function insidePolygon(xy, polygon) {
  const inside = new Array(xy.length / 2).fill(false);
  for (let i = 0; i < inside.length; i++) {
    const [x, y] = [xy[2 * i], xy[2 * i + 1]];
    let [x0, y0] = polygon[polygon.length - 1];
    for (const [x1, y1] of polygon) {
      if (y0 > y !== y1 > y && x < x0 + ((y - y0) * (x1 - x0)) / (y1 - y0)) inside[i] = !inside[i];
      [x0, y0] = [x1, y1];
    }
  }
  return inside;
}

// Which points are of a class whose name has `words` in it; where no class has, those whose file name has. Case does
// not matter; no words match nothing.
export function matching(words, { classes, labels, ids }) {
  const wanted = words.trim().toLowerCase();
  if (!wanted) return ids.map(() => false);
  const isMeant = classes.map((name) => name.toLowerCase().includes(wanted));
  if (isMeant.includes(true)) return Array.from(labels, (label) => isMeant[label]);
  return ids.map((id) => id.toLowerCase().includes(wanted));
}

// The number of selected points of each class that has some, the largest first: {name, code, count}.
export function classCounts(selected, { classes, labels }) {
  const counts = classes.map((name, code) => ({ name, code, count: 0 }));
  selected.forEach((isIn, i) => {
    if (isIn) counts[labels[i]].count++;
  });
  return counts.filter(({ count }) => count).sort((a, b) => b.count - a.count);
}

// Selected points as a CSV table, with the provenance in its first line as in Petalscope's other tables.
export function csvTable(selected, { classes, labels, ids }, provenance) {
  const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
  const lines = ids.flatMap((id, i) => (selected[i] ? [`${quoted(id)},${quoted(classes[labels[i]])}`] : []));
  return `# ${JSON.stringify(provenance)}\nid,label\n${lines.map((line) => `${line}\n`).join("")}`;
}

// Flags in the form of the column `lit`; null where none is set, which means no selection.
export function litColumn(selected) {
  if (!selected.includes(true)) return null;
  return btoa(Array.from(packedBits(selected), (byte) => String.fromCharCode(byte)).join(""));
}
