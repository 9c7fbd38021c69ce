// Drawings of 16 by 16 units, as paths for `icon`.

const circle = (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;

export const CHECK = 'M3 8.5l3.2 3L13 4.5';
export const CHEVRON_DOWN = 'M4 6l4 4 4-4';
export const CHEVRON_UP = 'M4 10l4-4 4 4';
export const CLOSE = 'M4 4l8 8M12 4l-8 8';
export const COPY = ['M6 6h7v7.5H6z', 'M10 3.5V2.5H3V10h1'];
export const FIT = 'M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10';
export const GLOBE = [circle(8, 8, 6), 'M2 8h12', 'M8 2c2.2 2 2.8 4 2.8 6s-.6 4-2.8 6c-2.2-2-2.8-4-2.8-6s.6-4 2.8-6z'];
export const MINUS = 'M3.5 8h9';
export const MOON = 'M13 9.6A5.5 5.5 0 0 1 6.4 3a5.5 5.5 0 1 0 6.6 6.6z';
export const PAUSE = 'M5.5 4v8M10.5 4v8';
export const PLUS = 'M8 3.5v9M3.5 8h9';
export const RETRY = ['M13 8a5 5 0 1 1-1.6-3.7', 'M13 2.5v2.6h-2.6'];
export const SUN = [circle(8, 8, 2.8), 'M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9'];
export const WARNING = ['M8 2.2l6.3 11.3H1.7z', 'M8 6.5v3M8 11.6v.1'];
