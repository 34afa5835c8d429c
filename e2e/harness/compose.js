// What the container files say, read strictly: whatever the tests would not notice or not carry out is an error.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import YAML from 'yaml';
import { root } from './service.js';

const read = (path) => readFileSync(join(root, path), 'utf8');

const INSTRUCTIONS = ['FROM', 'WORKDIR', 'COPY', 'RUN', 'ENV', 'USER', 'EXPOSE', 'STOPSIGNAL', 'HEALTHCHECK', 'ENTRYPOINT', 'CMD'];

/** The stages of the Dockerfile, each a list of `{ name, rest }`. */
export function readDockerfile(text = read('Dockerfile')) {
  const stages = [];
  const lines = text.split('\n').filter((line) => !/^\s*#/.test(line)).join('\n').replace(/\\\n/g, ' ').split('\n');
  for (const line of lines.map((each) => each.trim()).filter(Boolean)) {
    const [, name, rest] = /^(\w+)\s+(.*)$/.exec(line);
    if (!INSTRUCTIONS.includes(name)) throw new Error(`the Dockerfile says ${name}, which nothing here reads`);
    if (name === 'FROM') stages.push([]);
    stages.at(-1).push({ name, rest: rest.replace(/\s+/g, ' ') });
  }
  return stages;
}

/** What a container of the last stage runs: `env`, `command`, `health` (the command and its limits in seconds). */
export function readImage(stage = readDockerfile().at(-1)) {
  const one = (name) => {
    const found = stage.filter((each) => each.name === name);
    if (found.length !== 1) throw new Error(`the last stage says ${name} ${found.length} times`);
    return found[0].rest;
  };
  const env = {};
  for (const { rest } of stage.filter(({ name }) => name === 'ENV')) {
    for (const pair of rest.split(' ')) env[pair.slice(0, pair.indexOf('='))] = pair.slice(pair.indexOf('=') + 1);
  }
  const [, options, health] = /^((?:--\S+ )*)CMD (.*)$/.exec(one('HEALTHCHECK'));
  const seconds = Object.fromEntries([...options.matchAll(/--([\w-]+)=(\d+)s?/g)].map(([, name, value]) => [name, Number(value)]));
  const entrypoint = JSON.parse(one('ENTRYPOINT'));
  return {
    env, entrypoint, command: [...entrypoint, ...JSON.parse(one('CMD'))], health: { command: JSON.parse(health), ...seconds },
    user: one('USER'), ports: one('EXPOSE').split(' ').map(Number), stopSignal: one('STOPSIGNAL'),
  };
}

const SERVICE_KEYS = ['build', 'image', 'environment', 'depends_on', 'stop_grace_period', 'restart', 'read_only', 'cap_drop',
  'security_opt', 'command', 'healthcheck', 'volumes', 'ports'];

/** The services of compose files, the later over the earlier, with the variables that `.env` would give. */
export function readCompose(variables, ...paths) {
  const services = {};
  for (const path of paths) {
    for (const [name, service] of Object.entries(filled(YAML.parse(read(path)).services, variables))) {
      const strange = Object.keys(service).filter((key) => !SERVICE_KEYS.includes(key));
      if (strange.length) throw new Error(`${path} says ${strange} of ${name}, which nothing here reads`);
      const earlier = services[name] ?? {};
      const both = (key) => [...earlier[key] ?? [], ...service[key] ?? []];
      services[name] = { ...earlier, ...service, volumes: both('volumes'), ports: both('ports') };
    }
  }
  return services;
}

/** Fills in `${NAME:?message}` and `${NAME:-default}`, as Compose does. */
function filled(value, variables) {
  if (Array.isArray(value)) return value.map((each) => filled(each, variables));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, filled(each, variables)]));
  }
  if (typeof value !== 'string') return value;
  const text = value.replace(/\$\{(\w+):([?-])([^}]*)\}/g, (_, name, kind, otherwise) => {
    if (variables[name]) return variables[name];
    if (kind === '?') throw new Error(`required variable ${name} is missing a value: ${otherwise}`);
    return otherwise;
  });
  if (text.includes('${')) throw new Error(`'${text}' has a variable that nothing here reads`);
  return text;
}
