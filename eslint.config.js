// The modules run in browsers, inside of notebooks; their unit tests run in node.
import js from "@eslint/js";

const browser = [
  "AbortController",
  "Blob",
  "CSS",
  "DOMMatrix",
  "Element",
  "Event",
  "HTMLElement",
  "IntersectionObserver",
  "MutationObserver",
  "Node",
  "Notification",
  "ResizeObserver",
  "URL",
  "cancelAnimationFrame",
  "clearInterval",
  "clearTimeout",
  "console",
  "crypto",
  "document",
  "getComputedStyle",
  "navigator",
  "performance",
  "requestAnimationFrame",
  "setInterval",
  "setTimeout",
  "structuredClone",
  "window",
];
const node = ["Buffer", "URL", "console", "globalThis", "process", "setTimeout"];
const readable = (names) => Object.fromEntries(names.map((name) => [name, "readonly"]));

export default [
  js.configs.recommended,
  { files: ["casty_notebook/**/*.js"], languageOptions: { globals: readable(browser) } },
  { files: ["tests/**/*.js", "tests/**/*.mjs"], languageOptions: { globals: readable(node) } },
  {
    rules: {
      eqeqeq: ["error", "always", { null: "ignore" }],
      "no-var": "error",
      "prefer-const": "error",
      "no-implicit-globals": "error",
      "no-eval": "error",
    },
  },
];
