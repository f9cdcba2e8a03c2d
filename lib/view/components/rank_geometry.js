// The lines between two rankings, on an image 100 wide whose rows are `step` px high.

// The middle of the row at `place`.
export const rowMiddle = (place, step) => (place + 0.5) * step;

// One line for each photo, as SVG path data: a curve where both sides have it, a stub where only one side does.
export function rankLines(left, right, step) {
  const lines = [];
  const rightPlaces = new Map(right.map((item, place) => [item.id, place]));
  left.forEach((item, place) => {
    const from = rowMiddle(place, step);
    if (!rightPlaces.has(item.id)) {
      lines.push({ id: item.id, colour: item.colour, isStub: true, path: `M0 ${from} H22` });
      return;
    }
    const to = rowMiddle(rightPlaces.get(item.id), step);
    lines.push({ id: item.id, colour: item.colour, isStub: false, path: `M0 ${from} C50 ${from} 50 ${to} 100 ${to}` });
    rightPlaces.delete(item.id);
  });
  for (const [id, place] of rightPlaces) {
    lines.push({ id, colour: right[place].colour, isStub: true, path: `M100 ${rowMiddle(place, step)} H78` });
  }
  return lines;
}
