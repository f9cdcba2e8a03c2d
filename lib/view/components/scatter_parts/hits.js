// Which points are meant: the one under the pointer, and those in view.

import { toScreen } from "./view.js";

// The shown point nearest to (x, y) on the plane and at most `reach` away, as an index; -1 where there is none.
export function nearestPoint(xy, isShown, x, y, reach) {
  let nearest = -1;
  let least = reach ** 2;
  for (let i = 0; 2 * i < xy.length; i++) {
    const squared = (xy[2 * i] - x) ** 2 + (xy[2 * i + 1] - y) ** 2;
    if (squared <= least && isShown(i)) [nearest, least] = [i, squared];
  }
  return nearest;
}

// The catalog rows of the shown points in view; none where there are more than `most`.
export function rowsInView({ xy, rows, max_photos: most }, isShown, view, size) {
  const inView = [];
  for (let i = 0; i < rows.length; i++) {
    const [left, top] = toScreen(view, size, xy[2 * i], xy[2 * i + 1]);
    if (!isShown(i) || left < 0 || top < 0 || left > size.width || top > size.height) continue;
    if (inView.push(rows[i]) > most) return [];
  }
  return inView;
}
