// Makes the PNG of a screen small: 256 colours are enough for text and flat areas, and a byte a pixel packs well.
// The format is that of RFC 2083.

import { crc32, deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** The same picture with 256 of its colours; each other one becomes the nearest of them. */
export function smaller(png) {
  const { width, height, pixels } = decode(png);
  const counts = new Map();
  for (const colour of pixels) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  const palette = choose([...counts].sort((a, b) => b[1] - a[1]).map(([colour]) => colour));
  const index = new Map(palette.map((colour, i) => [colour, i]));
  for (const colour of counts.keys()) if (!index.has(colour)) index.set(colour, nearest(palette, colour));

  const lines = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) lines[y * (width + 1) + 1 + x] = index.get(pixels[y * width + x]);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // Eight bits, which are places in a palette.
  header.set([8, 3, 0, 0, 0], 8);
  const colours = Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]));
  return Buffer.concat([SIGNATURE, chunk('IHDR', header), chunk('PLTE', colours), chunk('IDAT', deflateSync(lines, { level: 9, memLevel: 9 })), chunk('IEND', Buffer.alloc(0))]);
}

/** Of colours, the commonest first: one of each kind, so that a red dot stays red, then the commonest. */
function choose(colours) {
  const kinds = new Map();
  for (const colour of colours) {
    const kind = colour & 0xf0f0f0;
    if (!kinds.has(kind)) kinds.set(kind, colour);
  }
  return [...new Set([...[...kinds.values()].slice(0, 224), ...colours])].slice(0, 256);
}

function nearest(palette, colour) {
  let best = [Infinity, 0];
  for (const [i, other] of palette.entries()) {
    const away = [16, 8, 0].reduce((sum, shift) => sum + (((colour >> shift) & 255) - ((other >> shift) & 255)) ** 2, 0);
    if (away < best[0]) best = [away, i];
  }
  return best[1];
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

/** Pixels as 0xRRGGBB of a PNG with eight bits for each of three or four channels, as browsers write them. */
function decode(png) {
  const parts = [];
  let [width, height, kind] = [];
  for (let at = SIGNATURE.length; at < png.length; at += png.readUInt32BE(at) + 12) {
    const data = png.subarray(at + 8, at + 8 + png.readUInt32BE(at));
    const type = png.toString('latin1', at + 4, at + 8);
    if (type === 'IHDR') [width, height, kind] = [data.readUInt32BE(0), data.readUInt32BE(4), data[9]];
    if (type === 'IDAT') parts.push(data);
  }
  const step = kind === 6 ? 4 : 3;
  const raw = inflateSync(Buffer.concat(parts));
  const row = width * step;
  const bytes = Buffer.alloc(row * height);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (row + 1)];
    for (let x = 0; x < row; x++) {
      const left = x < step ? 0 : bytes[y * row + x - step];
      const up = y === 0 ? 0 : bytes[(y - 1) * row + x];
      const corner = x < step || y === 0 ? 0 : bytes[(y - 1) * row + x - step];
      bytes[y * row + x] = raw[y * (row + 1) + 1 + x] + [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
    }
  }
  const pixels = new Uint32Array(width * height);
  for (let i = 0; i < pixels.length; i++) pixels[i] = (bytes[i * step] << 16) | (bytes[i * step + 1] << 8) | bytes[i * step + 2];
  return { width, height, pixels };
}

function paeth(left, up, corner) {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}
