// Posts a file with Node's fetch: of known length, as a stream in chunks, and once more on the same connection.
import { readFile } from "node:fs/promises";

const [url, file] = process.argv.slice(2);
const body = await readFile(file, "utf8");
const headers = { "Content-Type": "application/json" };
for (const sent of [body, new Blob([body]).stream(), body]) {
  const response = await fetch(url, { method: "POST", headers, body: sent, duplex: "half" });
  console.log(`${response.status} ${await response.text()}`);
}
