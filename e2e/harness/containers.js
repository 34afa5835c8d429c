// Runs what the container files run, without containers: the same programs, arguments and environments. Every container
// becomes a process, and its ports become ports of 127.0.0.1 that are free.
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { readImage } from './compose.js';
import { presenceApi, root, until } from './service.js';

const installed = (name) => ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin'].map((folder) => join(folder, name)).find(existsSync);
const PROGRAMS = {
  'presence-api': presenceApi, haproxy: installed('haproxy'),
  'redis-server': installed('redis-server'), 'redis-cli': installed('redis-cli'),
};

// A suite that runs out of time is ended by a signal; what it started has to end with it.
process.once('SIGTERM', () => process.exit(1));

/** What is not installed; false if nothing is missing. */
export const missing = Object.keys(PROGRAMS).filter((name) => !PROGRAMS[name]).map((name) => `${name} is not installed`).join(', ') || false;

/** Ports that were free a moment ago, all different; below those that systems give to whoever asks for any. */
async function freePorts(count) {
  const free = new Set();
  while (free.size < count) {
    const server = createServer().listen(10_000 + Math.floor(Math.random() * 22_000), '127.0.0.1');
    const port = await once(server, 'listening').then(() => server.address().port, () => null);
    if (port) {
      free.add(port);
      await new Promise((done) => { server.close(done); });
    }
  }
  return [...free];
}

/** A name server that knows every container, and says 127.0.0.1 of each. */
async function startNames(names) {
  const socket = createSocket('udp4');
  socket.on('message', (query, peer) => {
    // One question: its name in labels, its type and its class.
    const labels = [];
    let at = 12;
    for (; query[at] !== 0; at += query[at] + 1) labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
    const question = query.subarray(12, at + 5);
    const known = names.includes(labels.join('.').toLowerCase());
    const address = known && query.readUInt16BE(at + 1) === 1;
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(known ? 0x8580 : 0x8583, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(address ? 1 : 0, 6);
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    socket.send(Buffer.concat([head, question, ...(address ? [answer] : [])]), peer.port, peer.address);
  }).bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { port: socket.address().port, stop: () => socket.close() };
}

function replaced(text, from, to) {
  if (!text.includes(from)) throw new Error(`'${from}' is not in:\n${text}`);
  return text.replaceAll(from, to);
}

/** The containers of compose files' services, none of them started yet. */
export async function layOut(services) {
  const image = readImage();
  const nodes = Object.keys(services).filter((name) => services[name].image === 'presence-api');
  const given = await freePorts(1 + 3 + 2 * nodes.length);
  const redisPort = given.pop();
  const published = { 8080: given.pop(), 8081: given.pop(), 8082: given.pop() };
  const ports = Object.fromEntries(nodes.map((name) => [name, { 8080: given.pop(), 8082: given.pop() }]));
  const names = await startNames(nodes);
  const folder = mkdtempSync(join(tmpdir(), 'containers-'));
  copyFileSync(join(root, 'crates/presence-api/appsettings.json'), join(folder, 'appsettings.json'));
  const running = new Set(), latest = {};

  function environment(name) {
    const env = { ...image.env, ...services[name].environment };
    env.ASPNETCORE_HTTP_PORTS = replaced(env.ASPNETCORE_HTTP_PORTS, '8080', ports[name][8080]);
    env.Kestrel__Grpc__Url = replaced(env.Kestrel__Grpc__Url, ':8082', `:${ports[name][8082]}`);
    env.Redis__ConnectionString = replaced(env.Redis__ConnectionString, 'redis:6379', `127.0.0.1:${redisPort}`);
    return env;
  }

  /** A file of the balancer's container, with this machine's ports and files in it. */
  function mounted(path, files) {
    let text = readFileSync(files.get(path), 'utf8');
    for (const [inside, outside] of Object.entries(published)) text = text.replaceAll(`bind :${inside}`, `bind 127.0.0.1:${outside}`);
    for (const name of nodes) {
      for (const [inside, outside] of Object.entries(ports[name])) text = text.replaceAll(`${name}:${inside}`, `${name}:${outside}`);
    }
    text = text.replaceAll('127.0.0.11:53', `127.0.0.1:${names.port}`);
    for (const [inside, outside] of files) text = text.replaceAll(inside, outside);
    const copy = join(folder, basename(path));
    writeFileSync(copy, text);
    return copy;
  }

  function commandOf(name) {
    const { command, volumes } = services[name];
    if (nodes.includes(name)) return command ? [...image.entrypoint, ...command] : image.command;
    if (name === 'redis') return [...command, '--port', String(redisPort), '--bind', '127.0.0.1', '--dir', folder];
    // host:container:ro
    const files = new Map(volumes.map((volume) => volume.split(':')).map(([outside, inside]) => [inside, join(root, outside)]));
    // The image's own entry adds -db, too: stay in front, one process.
    return [...command.map((word) => (files.has(word) ? mounted(word, files) : word)), '-db'];
  }

  return {
    published, ports,
    /** Starts a container; it ends with the suite at the latest. */
    start(name) {
      const [program, ...args] = commandOf(name);
      const env = nodes.includes(name) ? environment(name) : {};
      const child = spawn(PROGRAMS[program], args, { cwd: folder, env });
      running.add(child);
      const kill = () => child.kill('SIGKILL');
      process.once('exit', kill);
      let log = '';
      const collect = (chunk) => { log += chunk; };
      child.stdout.on('data', collect);
      child.stderr.on('data', collect);
      const ended = once(child, 'exit').then(([code, signal]) => code ?? signal).finally(() => {
        process.removeListener('exit', kill);
        running.delete(child);
      });
      let end;
      ended.then((given) => { end = given; }, (error) => { end = error.message; });
      latest[name] = () => { if (end !== undefined) throw new Error(`${name} has ended (${end}):\n${log}`); };
      return { log: () => log, ended, signal: (name) => child.kill(name), stop: () => { child.kill('SIGTERM'); return ended; } };
    },
    /** Carries out a container's health check; `code` is 0 if it is well. */
    health(name) {
      const check = services[name].healthcheck?.test.slice(1) ?? image.health.command;
      const [program, ...args] = check;
      if (name === 'redis') args.unshift('-p', String(redisPort));
      const env = nodes.includes(name) ? environment(name) : {};
      const { status, stdout, stderr } = spawnSync(PROGRAMS[program], args, { cwd: folder, env, encoding: 'utf8' });
      return { code: status, said: (stdout + stderr).trim() };
    },
    async healthy(name) {
      await until(() => { latest[name](); return this.health(name).code === 0; }, `${name} is healthy`, 30_000);
    },
    async close() {
      for (const child of running) child.kill('SIGKILL');
      await until(() => running.size === 0, 'all containers are gone');
      names.stop();
      rmSync(folder, { recursive: true });
    },
  };
}
