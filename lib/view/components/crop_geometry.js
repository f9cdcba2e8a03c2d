// The crop: left, top, right and bottom in whole percent of the image.

// Where (x, y) px lies in a frame of this rectangle, in whole percent and at most at its edges.
export function percentAt({ left, top, width, height }, x, y) {
  const percent = (share) => Math.round(Math.min(100, Math.max(0, 100 * share)));
  return [percent((x - left) / width), percent((y - top) / height)];
}

// The box between two opposite corners, whichever way it was drawn.
export function boxBetween([x, y], [u, v]) {
  return [Math.min(x, u), Math.min(y, v), Math.max(x, u), Math.max(y, v)];
}

export function isLargeEnough([left, top, right, bottom], least) {
  return right - left >= least && bottom - top >= least;
}
