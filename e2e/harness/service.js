// Starts the service as an operator would, with an issuer of its own, on ports that the system gives.
import { spawn } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** The service that is tested. */
export const presenceApi = resolve(process.env.PRESENCE_API ?? join(root, 'target/debug/presence-api'));

/** The program: the service, or the one with the test hub beside it. */
const program = (name) => (name === 'presence-api' ? presenceApi : join(dirname(presenceApi), name));

/** An OpenID issuer: discovery, keys, tokens. */
export async function startIssuer() {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig', alg: 'RS256' };
  const server = createServer((request, response) => {
    const answer = request.url.startsWith('/.well-known/openid-configuration')
      ? { issuer: url, jwks_uri: `${url}/jwks` }
      : { keys: [jwk] };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}`;
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const token = (user, claims = {}) => {
    const now = Math.floor(Date.now() / 1000);
    const body = { iss: url, aud: 'presenceapi', scope: 'openid presenceapi', sub: user, nbf: now, exp: now + 3600, ...claims };
    const signed = `${encode({ alg: 'RS256', kid: 'k1', typ: 'at+jwt' })}.${encode(body)}`;
    return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`;
  };
  return { url, token, stop: () => server.close() };
}

/** Starts a program and waits until it listens; `web` and `grpc` are its addresses. */
export async function startProgram(name, args, env = {}) {
  // A folder of its own, so that no settings file of the caller's is read.
  const folder = mkdtempSync(join(tmpdir(), 'e2e-'));
  const child = spawn(program(name), args, { env: { ...process.env, ...env }, cwd: folder });
  // Nothing outlives a suite, however that ends.
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  let log = '';
  const collect = (chunk) => { log += chunk; };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  let code;
  const ended = once(child, 'exit').then(([given]) => given).finally(() => {
    process.removeListener('exit', kill);
    rmSync(folder, { recursive: true, force: true });
  });
  ended.then((given) => { code = given ?? 'none'; }, (error) => { code = error.message; });
  await until(() => code !== undefined || log.includes('Application started'), 'the service starts', 30_000);
  if (code !== undefined) throw new Error(`the service ended (exit code: ${code}):\n${log}`);
  const addresses = [...log.matchAll(/Now listening on: (https?:\/\/[\w.:[\]]+:\d+)/g)].map((match) => match[1]);
  const [web, grpc] = addresses;
  return {
    web, grpc, addresses, child,
    log: () => log,
    /** Asks it to end, and tells its exit code. */
    stop: () => { child.kill('SIGTERM'); return ended; },
  };
}

/** The service with an issuer, its own or one that is there; `urls` are its web listeners. */
export async function startService({ name = 'presence-api', urls = 'http://127.0.0.1:0', issuer, env = {} } = {}) {
  const ownIssuer = issuer ? null : await startIssuer();
  issuer ??= ownIssuer;
  const service = await startProgram(name, ['serve', '--urls', urls], {
    ApiAuth__Authority: issuer.url, ApiAuth__RequireHttpsMetadata: 'false', Kestrel__Grpc__Url: 'http://127.0.0.1:0', ...env,
  });
  return { ...service, issuer, token: issuer.token, stop: async () => { const code = await service.stop(); ownIssuer?.stop(); return code; } };
}

/** Waits until a condition holds, and gives what it gave. */
export async function until(condition, what, ms = 10_000) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await new Promise((done) => setTimeout(done, 10));
  }
}
