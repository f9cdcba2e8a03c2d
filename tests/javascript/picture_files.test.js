import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, isPicture, pngWithText, svgWithText, withProvenance } from "../../lib/view/components/picture_files.js";

const bytesOf = (text) => new TextEncoder().encode(text);
// A PNG of one grey pixel.
const PNG = Uint8Array.from(
  atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="),
  (letter) => letter.charCodeAt(0),
);

// The chunks of a PNG: {type, body}, each with a sound checksum.
function chunks(png) {
  const view = new DataView(png.buffer, png.byteOffset);
  const found = [];
  for (let at = 8; at < png.length; ) {
    const length = view.getUint32(at);
    const inside = png.subarray(at + 4, at + 8 + length);
    assert.equal(view.getUint32(at + 8 + length), crc32(inside));
    found.push({ type: String.fromCharCode(...inside.subarray(0, 4)), body: inside.subarray(4) });
    at += 12 + length;
  }
  return found;
}

test("the checksum is that of the PNG standard", () => {
  assert.equal(crc32(bytesOf("123456789")), 0xcbf43926);
  assert.equal(crc32(bytesOf("IEND")), 0xae426082);
});

test("a PNG gets its text after its header, and stays a PNG", () => {
  const text = "Data: Blüten, 4,064 images\nSpace: 花";
  const found = chunks(pngWithText(PNG, text));
  assert.deepEqual(
    found.map(({ type }) => type),
    ["IHDR", "iTXt", "IDAT", "IEND"],
  );
  assert.deepEqual(found[1].body, bytesOf(`Provenance\0\0\0\0\0${text}`));
});

test("without a text, and without a PNG, nothing changes", () => {
  assert.equal(pngWithText(PNG, ""), PNG);
  assert.equal(pngWithText(PNG, undefined), PNG);
  const other = bytesOf("GIF89a");
  assert.equal(pngWithText(other, "text"), other);
});

test("an SVG gets its text as metadata, escaped", () => {
  const svg = svgWithText('<svg class="main" width="3"><g/></svg>', "a < b & $& </metadata><script>");
  assert.equal(
    svg,
    '<svg class="main" width="3"><metadata>a &lt; b &amp; $&amp; &lt;/metadata&gt;&lt;script&gt;</metadata><g/></svg>',
  );
  assert.equal(svgWithText("<svg></svg>", ""), "<svg></svg>");
});

test("a file is treated by its type", async () => {
  const png = await withProvenance(new Blob([PNG], { type: "image/png" }), "text");
  assert.equal(png.type, "image/png");
  assert.ok(png.size > PNG.length);
  const svg = await withProvenance(new Blob(["<svg></svg>"], { type: "image/svg+xml;charset=utf-8" }), "text");
  assert.equal(await svg.text(), "<svg><metadata>text</metadata></svg>");
  const other = new Blob(["a"], { type: "text/csv" });
  assert.equal(await withProvenance(other, "text"), other);
});

test("only pictures of ours are caught", () => {
  assert.ok(isPicture({ href: "blob:x", download: "petalscope-results.png" }));
  assert.ok(!isPicture({ href: "https://x", download: "petalscope-results.png" }));
  assert.ok(!isPicture({ href: "blob:x", download: "other.png" }));
  assert.ok(!isPicture({ href: "blob:x", download: "petalscope-table.csv" }));
});
