// The columns that `scatter.py` sends: base64 of little-endian arrays. A column that did not change since the last
// update is not decoded again.

// The code of a point whose value is unknown.
export const UNKNOWN = 0xffff;

const COLUMNS = {
  xy: Float32Array,
  rows: Uint32Array,
  labels: Uint16Array,
  codes: Uint16Array,
  values: Float32Array,
  lit: Uint8Array,
};

export function decodeColumn(text, Kind) {
  return new Kind(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
}

// Whether the server sent the same `name` as for `previous`, the data of the last update.
export function isUnchanged(previous, sent, name) {
  return Boolean(previous) && previous.sent[name] === sent[name];
}

// What the server `sent`, with its columns as typed arrays and the original beside them.
export function decodeData(sent, previous) {
  const data = { ...sent, sent };
  for (const [name, Kind] of Object.entries(COLUMNS)) {
    if (isUnchanged(previous, sent, name)) data[name] = previous[name];
    else data[name] = sent[name] === null ? null : decodeColumn(sent[name], Kind);
  }
  data.ids = isUnchanged(previous, sent, "ids") ? previous.ids : JSON.parse(sent.ids);
  return data;
}
