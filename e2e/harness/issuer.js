// The issuer as a program of its own, for suites in other languages: says its address, and answers each line
// {"user", "claims"} with {"token"}. Ends with its standard input.
import { createInterface } from 'node:readline';
import { startIssuer } from './service.js';

const issuer = await startIssuer();
console.log(JSON.stringify({ url: issuer.url }));
for await (const line of createInterface({ input: process.stdin })) {
  const { user, claims } = JSON.parse(line);
  console.log(JSON.stringify({ token: issuer.token(user, claims) }));
}
issuer.stop();
process.exit();
