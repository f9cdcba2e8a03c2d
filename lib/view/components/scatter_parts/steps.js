// From point to point by the arrow keys.

const ASIDE = 2; // how much farther a step aside counts than one ahead

// The shown point nearest to (x, y) in a direction (dx, dy) of the plane, within 45° of it; -1 where there is none.
export function nextInDirection(xy, isShown, [x, y], [dx, dy]) {
  let nearest = -1;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; 2 * i < xy.length; i++) {
    const [right, up] = [xy[2 * i] - x, xy[2 * i + 1] - y];
    const ahead = right * dx + up * dy;
    const aside = Math.abs(right * dy - up * dx);
    const cost = ahead + ASIDE * aside;
    if (ahead > 0 && aside <= ahead && cost < least && isShown(i)) [nearest, least] = [i, cost];
  }
  return nearest;
}

// The point after (`step` 1) or before (-1) point `from` among those that are `isChosen`, around the ends; with `from`
// -1 the first or the last of them; -1 where there is none.
export function nextChosen(count, isChosen, from, step) {
  for (let walked = 1; walked <= count; walked++) {
    const start = from < 0 && step < 0 ? 0 : from;
    const i = (((start + step * walked) % count) + count) % count;
    if (isChosen(i)) return i;
  }
  return -1;
}

// How many of the points are `isChosen`, and the place of point `i` among them, from 1.
export function placeAmong(count, isChosen, i) {
  let [place, total] = [0, 0];
  for (let each = 0; each < count; each++) {
    if (!isChosen(each)) continue;
    total += 1;
    if (each <= i) place += 1;
  }
  return [place, total];
}
