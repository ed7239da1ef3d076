/** Colours that can be told apart by most eyes, on light and on dark, and what the page's style says of the rest. */

const light = ["#0b62a4", "#c8500a", "#0a7d5a", "#a63d8f", "#8a6d00", "#2a8fbd", "#7a4a3a", "#5f6670"];
const dark = ["#5aa9e6", "#ff8f4d", "#3fc79a", "#e08fcb", "#d9b938", "#8fd3f4", "#c99a86", "#a9b0ba"];
/** With colour goes a pattern of dashes: neither is needed alone. */
export const dashes: readonly (readonly number[])[] = [
  [],
  [8, 4],
  [2, 3],
  [10, 3, 2, 3],
  [5, 5],
  [12, 4],
  [1, 2],
  [6, 2, 2, 2],
];

const darkScheme = matchMedia("(prefers-color-scheme: dark)");

export const policyColour = (index: number): string => (darkScheme.matches ? dark : light)[index % light.length]!;

/** For any number of tenants, classes or jobs: neighbours lie far apart on the circle. */
export function manyColours(index: number): string {
  const hue = (index * 137.508 + 210) % 360;
  const step = Math.floor(index / 12) % 3;
  return darkScheme.matches ? `hsl(${hue} 60% ${62 - 8 * step}%)` : `hsl(${hue} 58% ${42 + 9 * step}%)`;
}

/** A colour of the style sheet by its name, for what is drawn on a canvas. */
export const styleColour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export const onSchemeChange = (redraw: () => void): void => darkScheme.addEventListener("change", redraw);
