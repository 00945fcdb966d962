// Copies the scripts and fonts we serve ourselves out of node_modules, each with its licence.
// Nothing is changed on the way, so that a reader can compare the copy with its release.

import { copyFile, mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const vendor = join(root, "static", "vendor");

const parts = {
  htmx: {
    "htmx.min.js": "node_modules/htmx.org/dist/htmx.min.js",
    LICENSE: "node_modules/htmx.org/LICENSE",
  },
  alpine: {
    "alpine-csp.min.js": "node_modules/@alpinejs/csp/dist/cdn.min.js",
    LICENSE: "assets/licences/alpinejs.txt",
  },
  uplot: {
    "uPlot.iife.min.js": "node_modules/uplot/dist/uPlot.iife.min.js",
    LICENSE: "node_modules/uplot/LICENSE",
  },
  inter: {
    "inter-latin.woff2": "node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
    "inter-latin-ext.woff2": "node_modules/@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2",
    LICENSE: "node_modules/@fontsource-variable/inter/LICENSE",
  },
  "jetbrains-mono": {
    "jetbrains-mono-latin.woff2":
      "node_modules/@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2",
    LICENSE: "node_modules/@fontsource-variable/jetbrains-mono/LICENSE",
  },
  daisyui: { LICENSE: "node_modules/daisyui/LICENSE" },
  tailwindcss: { LICENSE: "node_modules/tailwindcss/LICENSE" },
};

await rm(vendor, { recursive: true, force: true });
for (const [name, files] of Object.entries(parts)) {
  await mkdir(join(vendor, name), { recursive: true });
  for (const [target, source] of Object.entries(files)) {
    await copyFile(join(root, source), join(vendor, name, target));
  }
}
