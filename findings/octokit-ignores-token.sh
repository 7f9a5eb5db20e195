#!/usr/bin/env bash
# A client of GitHub's API that is given its token as `token` sends none, without a warning.
#
# Expected: `new Octokit({ token })` authenticates, as `github-token` and GITHUB_TOKEN do elsewhere in GitHub's own tools
#   and `getOctokit(token)` does in @actions/github; or an unknown option is an error.
# Seen: Octokit reads `auth`. Any other option is dropped without a warning, and each request goes out without an
#   Authorization header.
# Why it matters: public data still arrives, so tests pass; on shared addresses, such as those of hosted
#   runners, the 60 requests an hour of anonymous clients run out now and then. An action that installs a tool from a
#   release by such a client fails by chance, and no token in its environment helps.
# Versions: @octokit/rest 22.0.1, @octokit/core 7.0.6, @actions/github 6.0.1, Node 20.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" @octokit/rest@22.0.1 @octokit/core@7.0.6 @actions/github@6.0.1
cat >"$folder/ask.mjs" <<'JS'
import { createServer } from "node:http";
import { getOctokit } from "@actions/github";
import { Octokit as Core } from "@octokit/core";
import { Octokit as Rest } from "@octokit/rest";

let header;
const server = createServer((request, response) => {
  header = request.headers.authorization;
  response.setHeader("content-type", "application/json");
  response.end("{}");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const baseUrl = `http://127.0.0.1:${server.address().port}`;
const silent = () => {};
const warnings = [];
const log = { debug: silent, info: silent, warn: (text) => warnings.push(text), error: (text) => warnings.push(text) };
const clients = {
  "@octokit/rest, { token }": new Rest({ baseUrl, log, token: "example" }),
  "@octokit/core, { token }": new Core({ baseUrl, log, token: "example" }),
  "@octokit/rest, { auth }": new Rest({ baseUrl, log, auth: "example" }),
  "@actions/github, getOctokit(token)": getOctokit("example", { baseUrl, log }),
};
for (const [name, client] of Object.entries(clients)) {
  header = undefined;
  await client.request("GET /rate_limit");
  console.log(`${name}: ${header ?? "no Authorization header"}`);
}
console.log(`warnings: ${warnings.length}`);
server.close();
JS
{
  for package in @octokit/rest @octokit/core @actions/github; do
    node -p "'$package ' + JSON.parse(require('fs').readFileSync('$folder/node_modules/$package/package.json')).version"
  done
  env -u http_proxy -u https_proxy -u HTTP_PROXY -u HTTPS_PROXY node "$folder/ask.mjs"
} | tee "$folder/seen"
diff - "$folder/seen" <<'SEEN'
@octokit/rest 22.0.1
@octokit/core 7.0.6
@actions/github 6.0.1
@octokit/rest, { token }: no Authorization header
@octokit/core, { token }: no Authorization header
@octokit/rest, { auth }: token example
@actions/github, getOctokit(token): token example
warnings: 0
SEEN
