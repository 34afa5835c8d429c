// A web site of another origin than the service's, with the stock clients for browsers.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);
// A package of its own name each: the script for browsers lies beside the one for Node.
const clientScript = (name) => readFileSync(join(dirname(require.resolve(`${name}/package.json`)), 'dist/browser/signalr.js'));

const EMPTY = '<!doctype html><title>other origin</title>';
/** Connects as soon as it is loaded, to the hub and with the token of its address. */
const CHAT = `<!doctype html><title>chat</title><script src="/signalr10"></script><script>
  const given = new URLSearchParams(location.search);
  globalThis.connection = new signalR.HubConnectionBuilder()
    .withUrl(given.get('hub'), { accessTokenFactory: () => given.get('token') })
    .configureLogging(signalR.LogLevel.None).build();
  connection.start();
</script>`;

/** Serves an empty page, `/chat`, and a client's script under the client's name. */
export async function startOrigin() {
  const server = createServer((request, response) => {
    const name = new URL(request.url, 'http://localhost').pathname.slice(1);
    if (name.startsWith('signalr')) response.writeHead(200, { 'content-type': 'text/javascript' }).end(clientScript(name));
    else response.writeHead(200, { 'content-type': 'text/html' }).end(name === 'chat' ? CHAT : EMPTY);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}
