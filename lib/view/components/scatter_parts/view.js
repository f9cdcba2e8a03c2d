// The view: which part of the plane a chart shows. `x` and `y` are its centre in units of the plane, `scale` is px per
// unit, and `whole` is true while the view shows all points. y grows upwards on the plane, downwards on the screen.

// The factor of one press on a zoom button or key.
export const ZOOM_STEP = 1.4;
const MIN_SCALE = 1e-6;
const MAX_SCALE = 1e6;

// From the plane to px from the left and top edge of the chart.
export function toScreen(view, size, x, y) {
  return [(x - view.x) * view.scale + size.width / 2, size.height / 2 - (y - view.y) * view.scale];
}

// From px to the plane: the inverse of `toScreen`.
export function toPlane(view, size, left, top) {
  return [view.x + (left - size.width / 2) / view.scale, view.y - (top - size.height / 2) / view.scale];
}

// The view that shows all points within `bounds` (left, bottom, right, top), with a margin.
export function fittedView([left, bottom, right, top], size) {
  const scale = 0.94 * Math.min(size.width / (right - left || 1), size.height / (top - bottom || 1));
  return { x: (left + right) / 2, y: (bottom + top) / 2, scale, whole: true };
}

// After the chart's size changed: enlarged as much as before, with the same centre. So a link that was written at one
// size of the window shows the same part at another.
export function resizedView(view, bounds, before, after) {
  const whole = fittedView(bounds, after);
  if (view.whole || !before.width || !before.height) return view.whole ? whole : view;
  return { ...view, scale: (view.scale * whole.scale) / fittedView(bounds, before).scale };
}

// Zoomed by `factor`; the point of the plane under (left, top) px stays where it is.
export function zoomedView(view, size, factor, left, top) {
  const [x, y] = toPlane(view, size, left, top);
  const scale = Math.min(MAX_SCALE, Math.max(MIN_SCALE, view.scale * factor));
  const share = view.scale / scale;
  return { x: x + (view.x - x) * share, y: y + (view.y - y) * share, scale, whole: false };
}

// Moved as if the map were dragged by (right, down) px.
export function pannedView(view, right, down) {
  return { ...view, x: view.x - right / view.scale, y: view.y + down / view.scale, whole: false };
}
