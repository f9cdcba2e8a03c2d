// The lines between two rankings, one above the other, on an image 100 high whose columns are `step` wide.

// The middle of the column at `place`.
export const columnMiddle = (place, step) => (place + 0.5) * step;

// One line for each photo, as SVG path data: a curve where both rankings have it, a stub where only one does.
export function rankLines(upper, lower, step) {
  const lines = [];
  const lowerPlaces = new Map(lower.map((item, place) => [item.id, place]));
  upper.forEach((item, place) => {
    const from = columnMiddle(place, step);
    if (!lowerPlaces.has(item.id)) {
      lines.push({ id: item.id, colour: item.colour, isStub: true, path: `M${from} 0 V26` });
      return;
    }
    const to = columnMiddle(lowerPlaces.get(item.id), step);
    lines.push({ id: item.id, colour: item.colour, isStub: false, path: `M${from} 0 C${from} 50 ${to} 50 ${to} 100` });
    lowerPlaces.delete(item.id);
  });
  for (const [id, place] of lowerPlaces) {
    lines.push({ id, colour: lower[place].colour, isStub: true, path: `M${columnMiddle(place, step)} 100 V74` });
  }
  return lines;
}
