// Pictures that the browser draws and saves, with the provenance of what they show inside: a text chunk of a PNG, the
// metadata of an SVG. Readers show it (exiftool, Pillow's `text`), everything else passes over it.

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const HEADER_END = 33; // the signature, and the IHDR chunk, which must come first
const KEYWORD = "Provenance";

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

// The checksum of a PNG chunk (CRC-32 of ISO 3309).
export function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC_TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

// A PNG with `text` in an iTXt chunk (UTF-8, not compressed); anything else, or an empty text, changes nothing.
export function pngWithText(bytes, text) {
  if (!text || SIGNATURE.some((byte, i) => bytes[i] !== byte)) return bytes;
  const body = new TextEncoder().encode(`iTXt${KEYWORD}\0\0\0\0\0${text}`);
  const chunk = new Uint8Array(body.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, body.length - 4);
  chunk.set(body, 4);
  view.setUint32(body.length + 4, crc32(body));
  const joined = new Uint8Array(bytes.length + chunk.length);
  joined.set(bytes.subarray(0, HEADER_END));
  joined.set(chunk, HEADER_END);
  joined.set(bytes.subarray(HEADER_END), HEADER_END + chunk.length);
  return joined;
}

// The text of an SVG with `text` as its first <metadata>.
export function svgWithText(svg, text) {
  const escaped = text.replace(/[&<>]/g, (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[letter]);
  return text ? svg.replace(/<svg\b[^>]*>/, (start) => `${start}<metadata>${escaped}</metadata>`) : svg;
}

// A picture (a PNG or an SVG) with its provenance; a file of another kind as it is.
export async function withProvenance(blob, text) {
  if (blob.type.startsWith("image/svg")) return new Blob([svgWithText(await blob.text(), text)], { type: blob.type });
  if (blob.type !== "image/png") return blob;
  return new Blob([pngWithText(new Uint8Array(await blob.arrayBuffer()), text)], { type: blob.type });
}

// Save a file under a name, as a click on a link does.
export function saveFile(blob, name) {
  const link = document.createElement("a");
  link.download = name;
  link.href = URL.createObjectURL(blob);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser has fetched it by then
}

// Whether a link saves a picture: so Plotly saves a figure, and nothing else on our pages does with these names.
export function isPicture(link) {
  return link.href.startsWith("blob:") && /^petalscope-.*\.(png|svg)$/.test(link.download);
}
