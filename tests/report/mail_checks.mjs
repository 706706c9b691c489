// What npm's caniemail and html-validate say of a message's HTML: node mail_checks.mjs NODE_MODULES < message.html
// prints {"clients": {client: [feature, …]}, "markup": [sentence, …]}, errors only.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const modules = resolve(process.argv[2]);
const { caniemail } = await import(pathToFileURL(`${modules}/caniemail/dist/index.js`));
const { clientNames } = await import(pathToFileURL(`${modules}/caniemail/dist/clients.js`));
const { HtmlValidate, StaticConfigLoader } = createRequire(`${modules}/`)('html-validate');

// Mail programs need what these forbid: styles and widths in attributes, Outlook's comments, tables that lay out.
const off = ['no-inline-style', 'no-deprecated-attr', 'no-conditional-comment', 'presentation-role-style'];
const config = { extends: ['html-validate:recommended'], rules: Object.fromEntries(off.map(rule => [rule, 'off'])) };

const html = readFileSync(0, 'utf-8');
const clients = {};
for (const client of clientNames) { // one at a time, since it throws where it has no data
  try {
    const { errors } = caniemail({ clients: [client], html }).issues;
    clients[client] = [...new Set([...errors.values()].flat().map(issue => issue.title))].sort();
  } catch (error) {
    clients[client] = [`(${error.message})`];
  }
}
const report = await new HtmlValidate(new StaticConfigLoader(config)).validateString(html);
const markup = report.results.flatMap(result => result.messages)
  .filter(message => message.severity === 2)
  .map(message => `${message.ruleId}, line ${message.line}: ${message.message}`);
console.log(JSON.stringify({ clients, markup }));
