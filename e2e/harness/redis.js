// Redis and nodes on it, for tests in which several programs share their presence.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startService, until } from './service.js';

/** The script that starts a node on ASP.NET Core, if there is one. */
const peer = process.env.PEER;

/** What is not on this machine of Redis and a node on ASP.NET Core; `false`: nothing. */
export const lacking = () => (spawnSync('redis-server', ['--version']).status !== 0 ? 'redis-server is not installed'
  : !peer && 'PEER does not name a script that starts the service on ASP.NET Core');

/** A port that nobody listens on at this moment. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

const answers = (port) => new Promise((resolve) => {
  const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
  socket.on('error', () => resolve(false));
});

/** Runs a program that does not outlive the test, and waits until it answers on a port. */
async function running(command, args, port, env = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'e2e-'));
  const child = spawn(command, args, { cwd: folder, env: { ...process.env, ...env }, stdio: 'ignore' });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const ended = once(child, 'exit').finally(() => {
    process.removeListener('exit', kill);
    rmSync(folder, { recursive: true, force: true });
  });
  await until(async () => child.exitCode !== null || answers(port), `${command} answers`, 30_000);
  if (child.exitCode !== null) throw new Error(`${command} ended with ${child.exitCode}`);
  return { child, stop: (signal = 'SIGTERM') => { child.kill(signal); return ended; } };
}

export async function startRedis() {
  const port = await freePort();
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  return { ...await running('redis-server', args, port), address: `127.0.0.1:${port}` };
}

/** A node on ASP.NET Core; `web` is its address. */
export async function startPeer(redis, issuer) {
  const [port, grpc] = [await freePort(), await freePort()];
  const node = await running(peer, [], port, {
    REF_HTTP: `${port}`, REF_GRPC: `${grpc}`, REF_AUTHORITY: issuer.url, REF_REDIS: redis.address, REF_MSGPACK: '1', REF_QUERY: '1',
  });
  return { ...node, web: `http://127.0.0.1:${port}`, port };
}

/** A node of this service, or the one with the test hub beside it, that is ready. */
export async function startNode(redis, issuer, name = 'presence-api') {
  const node = await startService({ name, issuer, env: { Redis__ConnectionString: redis.address } });
  await until(async () => (await fetch(`${node.web}/health/ready`)).status === 200, 'the node is ready', 20_000);
  return node;
}

/** Passes connections on to one of `ports`, which may be changed; those that are open stay where they are. */
export async function startBalancer(ports) {
  let next = 0;
  const server = createServer((socket) => {
    const upstream = connect(balancer.ports[next++ % balancer.ports.length], '127.0.0.1');
    socket.pipe(upstream).pipe(socket);
    for (const [one, other] of [[socket, upstream], [upstream, socket]]) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const balancer = { ports, url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
  return balancer;
}
