// What others' tools make of the worker's contracts. Arguments: the AsyncAPI document, and folders of events.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DiagnosticSeverity, Parser } from "@asyncapi/parser";
import { HTTP } from "cloudevents";

const MEDIA_TYPE = "application/cloudevents+json; charset=utf-8";

// Names of extension attributes by the CloudEvents specification.
const EXTENSION_NAME = /^[a-z0-9]{1,20}$/;

const [asyncapi, ...folders] = process.argv.slice(2);
const problems = [...(await checkAsyncapi(asyncapi)), ...(await checkEvents(folders))];
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;

// Errors, and warnings of the recommended rules.
async function checkAsyncapi(file) {
  const { document, diagnostics } = await new Parser().parse(await readFile(file, "utf8"));
  const problems = diagnostics
    .filter(({ severity }) => severity <= DiagnosticSeverity.Warning)
    .map(({ path, message }) => `${file}: ${path.join(".")}: ${message}`);
  if (problems.length > 0) return problems;

  const receives = document.channels().all().map((channel) => channel.messages().all().length);
  console.log(`AsyncAPI: ${receives.length} channels, ${document.components().messages().all().length} messages`);
  return [];
}

async function checkEvents(folders) {
  const problems = [];
  let parsed = 0;
  for (const folder of folders) {
    for (const name of await readdir(folder)) {
      const file = join(folder, name);
      const body = await readFile(file, "utf8");
      try {
        checkEvent(body);
        parsed += 1;
      } catch (error) {
        problems.push(`${file}: ${error.message} ${JSON.stringify(error.errors ?? "")}`);
      }
    }
  }
  if (parsed === 0) problems.push("no events found");
  console.log(`CloudEvents: ${parsed} events`);
  return problems;
}

// The SDK reads the event, finds it valid, and has in it what was published.
function checkEvent(body) {
  const published = JSON.parse(body);
  const event = HTTP.toEvent({ headers: { "content-type": MEDIA_TYPE }, body });
  event.validate();
  for (const [attribute, value] of Object.entries(published)) {
    if (!EXTENSION_NAME.test(attribute)) throw new Error(`${attribute} cannot be the name of an attribute`);
    if (value === null) continue;
    const read = event[attribute];
    const same =
      attribute === "time"
        ? Date.parse(read) === Date.parse(value)
        : JSON.stringify(read) === JSON.stringify(value);
    if (!same) throw new Error(`${attribute} was read as ${JSON.stringify(read)}`);
  }
}
