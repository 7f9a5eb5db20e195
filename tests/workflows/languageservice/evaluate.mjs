// What GitHub's own implementation of expressions makes of some.
// Reads [{"expression": TEXT, "contexts": {NAME: JSON}}]; writes, for each, {"text": AS A STRING} or {"error": WHY}.
import { readFileSync } from "node:fs";
import { Evaluator, Lexer, Parser, data } from "@actions/expressions";

// Of a run in which nothing has failed and nothing was cancelled.
const status = Object.entries({ always: true, cancelled: false, failure: false, success: true }).map(([name, value]) => ({
  name, minArgs: 0, maxArgs: 0, call: () => new data.BooleanData(value),
}));
const functions = new Map(status.map((each) => [each.name, each]));

function evaluate({ expression, contexts }) {
  try {
    const parser = new Parser(new Lexer(expression).lex().tokens, Object.keys(contexts), status);
    const known = JSON.parse(JSON.stringify(contexts), data.reviver);
    return { text: new Evaluator(parser.parse(), known, functions).evaluate().coerceString() };
  } catch (error) {
    return { error: error.message };
  }
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(evaluate)));
