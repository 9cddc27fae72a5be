// pkcs11js ships no binary and would fetch headers from nodejs.org. It is pure Node-API, so one g++
// call with the headers of the npm package node-api-headers builds it for every Node.
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { installDebian } from './debian.mjs';
import { nodeEnvironment } from './node-runtime.mjs';
import { root } from './places.mjs';
import { findProgram, lastLines, readOutput, runQuietly } from './programs.mjs';
import { say } from './say.mjs';

const modules = join(root, 'node_modules');
const binding = join(modules, 'pkcs11js', 'build', 'Release', 'pkcs11.node');

/** Builds the binding unless it is there and loads; false when it cannot be built. */
export async function ensureBinding(node) {
  if (existsSync(binding) && loads(node)) return true;
  if (findProgram('g++') === undefined)
    await installDebian(['g++'], 'to build the PKCS#11 binding');
  if (findProgram('g++') === undefined) {
    say('no g++: the PKCS#11 binding cannot be built');
    return false;
  }
  say('building the PKCS#11 binding with g++');
  mkdirSync(dirname(binding), { recursive: true });
  const draft = `${binding}.${process.pid}`;
  const source = join(modules, 'pkcs11js', 'src');
  const done = await runQuietly('g++', [
    '-std=c++17',
    '-O2',
    '-fPIC',
    '-shared',
    '-DNAPI_DISABLE_CPP_EXCEPTIONS',
    `-I${join(modules, 'node-api-headers', 'include')}`,
    `-I${join(modules, 'pkcs11js', 'includes')}`,
    ...['dl.cpp', 'common.cpp', 'main.cpp'].map((name) => join(source, name)),
    '-o',
    draft,
    '-ldl',
  ]);
  if (!done.ok) {
    say(`g++ failed: ${lastLines(done.output, 2)}`);
    return false;
  }
  renameSync(draft, binding);
  return loads(node);
}

/** Whether the project's Node can load `module` through the binding. */
export function canLoadModule(node, module) {
  const script =
    'const {PKCS11}=require("pkcs11js");const p=new PKCS11();p.load(process.argv[1]);p.close();';
  return run(node, ['-e', script, module]);
}

function loads(node) {
  return run(node, ['-e', 'new (require("pkcs11js").PKCS11)()']);
}

function run(node, args) {
  return readOutput(node.path, args, { cwd: root, env: nodeEnvironment(node) }) !== undefined;
}
