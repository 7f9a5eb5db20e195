// What GitHub's language service finds in workflows and actions.
// Reads {"files": {PATH: TEXT}, "actions": {NAME: {"commit", "inputs", "outputs"}}}; writes {PATH: [MESSAGE]}.
import { readFileSync } from "node:fs";
import { DescriptionDictionary, data } from "@actions/expressions";
import { LogLevel, registerLogger, setLogLevel, validate } from "@actions/languageservice";
import { TextDocument } from "vscode-languageserver-textdocument";

const { files, actions } = JSON.parse(readFileSync(0, "utf8"));
const DEPRECATED = "deprecated input";

// The service logs its own errors and returns no diagnostic: a crash would look like a workflow without a fault.
let crashes = [];
const note = (message) => { crashes.push(message); };
registerLogger({ error: note, warn: note, info() {}, log() {} });
setLogLevel(LogLevel.Warn);

function metadata({ owner, name, path, ref }) {
  const action = actions[[owner, name, path].filter(Boolean).join("/")];
  if (action?.commit !== ref) return undefined;
  const inputs = Object.entries(action.inputs).map(([input, { deprecated, ...facts }]) => [
    input,
    { description: "", ...facts, ...(deprecated && { deprecationMessage: `${DEPRECATED} '${input}'` }) },
  ]);
  return { name, description: "", inputs: Object.fromEntries(inputs) };
}

function outputs(step) {
  const known = new DescriptionDictionary();
  const action = actions[step.uses?.value.split("@")[0]];
  known.complete = action !== undefined;
  for (const output of action?.outputs ?? []) known.add(output, new data.StringData(""));
  return known;
}

// The outputs of the actions: by itself the service takes every name for one.
async function getContext(name, known, { job }) {
  if (name !== "steps") return undefined;
  const steps = new DescriptionDictionary();
  for (const { key, value } of known.pairs()) {
    const step = new DescriptionDictionary();
    for (const pair of value.pairs()) {
      const own = pair.key === "outputs" ? outputs(job.steps.find(({ id }) => id === key)) : pair.value;
      step.add(pair.key, own);
    }
    steps.add(key, step);
  }
  return steps;
}

const config = {
  actionsMetadataProvider: { fetchActionMetadata: async (action) => metadata(action) },
  contextProviderConfig: { getContext },
};
const found = {};
for (const [path, text] of Object.entries(files)) {
  crashes = [];
  const document = TextDocument.create(`file:///${path}`, "yaml", 1, text);
  const diagnostics = await validate(document, config);
  const messages = diagnostics.map(({ message, range }) => `line ${range.start.line + 1}: ${message}`);
  found[path] = [...crashes, ...messages];
}
process.stdout.write(JSON.stringify(found));
