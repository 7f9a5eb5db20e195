// Lets Node import the packages, whose `import … from "./….json"` has no `with { type: "json" }`, as if it had.
// Usage: node --import ./json.mjs SCRIPT
import { register } from "node:module";
import { isMainThread } from "node:worker_threads";

if (isMainThread) register(import.meta.url);

export const load = (url, context, next) =>
  next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context);
