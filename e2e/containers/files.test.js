// Dockerfile, compose files and what goes to the builder, by reading.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCompose, readDockerfile, readImage } from '../harness/compose.js';
import { presenceApi, root } from '../harness/service.js';

const read = (path) => readFileSync(join(root, path), 'utf8');
const minimal = { ApiAuth__Authority: 'https://login.example.com' };
const sayings = (stage, name) => stage.filter((each) => each.name === name).map(({ rest }) => rest);

test('the image is built by the toolchain of the project, and holds nothing of the build', () => {
  const [build, last, ...more] = readDockerfile();
  assert.equal(more.length, 0);
  const [, channel] = /^channel = "(.*)"$/m.exec(read('rust-toolchain.toml'));
  assert.match(sayings(build, 'FROM')[0], new RegExp(`^rust:${channel}-slim-bookworm AS build$`));
  assert.match(sayings(build, 'RUN').join(), /cargo build --release --locked -p presence-api /);
  assert.match(sayings(last, 'FROM')[0], /debian12/, 'the same C library as the build');
  assert.deepEqual(sayings(last, 'RUN'), [], 'there is no shell');
  assert.deepEqual(sayings(last, 'COPY'), [
    '--from=build /out/presence-api /usr/local/bin/presence-api', 'crates/presence-api/appsettings.json ./',
  ]);
});

test('nobody is root, and the program asks itself how it is', () => {
  const image = readImage();
  assert.match(image.user, /^[1-9]\d*:[1-9]\d*$/);
  assert.deepEqual(image.ports, [8080, 8081, 8082]);
  assert.equal(image.stopSignal, 'SIGTERM');
  assert.deepEqual(image.command, ['presence-api', 'serve']);
  assert.deepEqual(image.health.command, ['presence-api', 'health']);
  assert.ok(image.health.timeout > 4, 'the command speaks before it is killed');
});

test('a container without settings says which it needs', () => {
  const image = readImage();
  const { status, stderr } = spawnSync(presenceApi, image.command.slice(1), { env: image.env, cwd: tmpdir(), encoding: 'utf8' });
  assert.equal(status, 2);
  assert.match(stderr, /ApiAuth:Authority/);
});

test('the ports are those of the contract, whatever the environment', () => {
  const image = readImage();
  for (const environment of ['Production', 'Development']) {
    const env = { ...image.env, ...minimal, ASPNETCORE_ENVIRONMENT: environment };
    const { stdout } = spawnSync(presenceApi, ['config'], { env, cwd: tmpdir(), encoding: 'utf8' });
    assert.match(stdout, /^Http_Ports\b.*\b8080\b/mi, stdout);
    assert.match(stdout, /^Kestrel:Grpc:Url\b.*http:\/\/\[::\]:8082/mi, stdout);
  }
});

test('what goes to the builder is enough, and no secret is among it', (t) => {
  const listed = spawnSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
  if (listed.status !== 0) return t.skip('not in a repository');
  const context = listed.stdout.split('\n').filter((path) => path && !ignored(path));
  const fromContext = readDockerfile().flatMap((stage) => sayings(stage, 'COPY')).filter((copy) => !copy.startsWith('--from'));
  for (const source of fromContext.flatMap((copy) => copy.split(' ').slice(0, -1))) {
    assert.ok(context.some((path) => path === source || path.startsWith(`${source}/`)), `${source} is there`);
  }
  assert.ok(!context.some((path) => /\.(key|pem|env)$/.test(path)));
  const folder = mkdtempSync(join(tmpdir(), 'context-'));
  try {
    for (const path of context) cpSync(join(root, path), join(folder, path), { recursive: true });
    // Every member and every target that a manifest names has to be there for this.
    const { status, stderr } = spawnSync('cargo', ['metadata', '--locked', '--format-version', '1'], { cwd: folder, encoding: 'utf8', maxBuffer: 1 << 28 });
    assert.equal(status, 0, stderr);
  } finally { rmSync(folder, { recursive: true }); }
});

/** What .dockerignore leaves out; only the forms that it uses. */
function ignored(path) {
  let out = false;
  for (const line of read('.dockerignore').split('\n').filter((each) => each && !each.startsWith('#'))) {
    const back = line.startsWith('!');
    const pattern = line.replace('!', '').replaceAll('.', '\\.')
      .replace(/\*\*\/|\*/g, (star) => (star === '*' ? '[^/]*' : '(?:.*/)?'));
    // A folder stands for what is in it.
    if (new RegExp(`^${pattern}(?:/|$)`).test(path)) out = !back;
  }
  return out;
}

test('compose asks for what is needed in words, and for nothing else', () => {
  assert.throws(() => readCompose({}, 'compose.yaml'), /ApiAuth__Authority .*\.env.*identity server/);
  const services = readCompose(minimal, 'compose.yaml');
  assert.deepEqual(Object.keys(services), ['redis', 'node1', 'node2', 'balancer']);
  assert.throws(() => readCompose(minimal, 'compose.yaml', 'compose.tls.yaml'), /TLS_PEM .*\.env/);
  // What the example names, the files read.
  const named = [...read('.env.example').matchAll(/^#?(\w+)=/gm)].map(([, name]) => name);
  const used = [...(read('compose.yaml') + read('compose.tls.yaml')).matchAll(/\$\{(\w+):/g)].map(([, name]) => name);
  assert.deepEqual(named.sort(), [...new Set(used)].sort());
});

test('only the balancer is seen from outside, at the ports it listens on', () => {
  const services = readCompose({ ...minimal, TLS_PEM: './tls.pem' }, 'compose.yaml', 'compose.tls.yaml');
  for (const [name, { ports }] of Object.entries(services)) {
    assert.deepEqual(ports, name === 'balancer' ? ['8080:8080', '8082:8082', '8081:8081'] : [], name);
  }
  const binds = ['haproxy.cfg', 'haproxy-tls.cfg'].flatMap((name) => [...read(`deploy/${name}`).matchAll(/^ +bind :(\d+)/gm)].map(([, port]) => port));
  assert.deepEqual(binds, ['8080', '8082', '8081']);
  for (const word of services.balancer.command.filter((each) => each.startsWith('/'))) {
    assert.ok(services.balancer.volumes.some((volume) => volume.split(':')[1] === word), `${word} is mounted`);
  }
});

test('nodes differ in nothing, and Redis evicts nothing', () => {
  const { node1, node2, redis } = readCompose(minimal, 'compose.yaml');
  assert.deepEqual(node1, node2);
  assert.deepEqual(node1.depends_on, { redis: { condition: 'service_healthy' } });
  assert.match(node1.stop_grace_period, /^(3[1-9]|[4-9]\d)s$/, 'more than the 30 s of Shutdown:Timeout');
  assert.match(redis.command.join(' '), /--save {2}.*--maxmemory-policy noeviction/);
});
