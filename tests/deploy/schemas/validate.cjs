// Reads an AsyncAPI document on standard input and prints what the parser finds wrong with it, one JSON object a line.
const { Parser } = require("@asyncapi/parser");

const document = require("fs").readFileSync(0, "utf8");
new Parser().parse(document).then(({ diagnostics }) => {
  for (const each of diagnostics) {
    console.log(JSON.stringify({ severity: each.severity, code: each.code, path: each.path.join("."), message: each.message }));
  }
});
