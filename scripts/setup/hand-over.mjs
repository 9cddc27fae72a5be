// Goes on in the project's Node. Where this Node can replace itself it does, so that no second process
// stays; else it waits for the other one, passes signals on and ends with its exit code.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { root } from './places.mjs';
import { nodeEnvironment } from './node-runtime.mjs';

const passedOn = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Runs `node args…` in the checkout; resolves with its exit code. */
export function runNode(node, args, env = {}) {
  const child = spawn(node.path, args, {
    stdio: 'inherit',
    cwd: root,
    env: { ...nodeEnvironment(node), ...env },
  });
  // Ctrl-C reaches both of us; the child decides when it is over.
  const forward = (signal) => child.kill(signal);
  for (const signal of passedOn) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      for (const name of passedOn) process.off(name, forward);
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

/** Never returns. The working folder stays the caller's: paths on the command line are theirs. */
export async function becomeNode(node, args) {
  const env = nodeEnvironment(node);
  if (typeof process.execve === 'function') {
    process.removeAllListeners('warning');
    process.on('warning', () => undefined);
    process.execve(node.path, [node.path, ...args], env);
  }
  const child = spawn(node.path, args, { stdio: 'inherit', env });
  for (const signal of passedOn) process.on(signal, () => child.kill(signal));
  child.once('error', (error) => {
    process.stderr.write(`postseal: error: ${error.message}\n`);
    process.exit(1);
  });
  child.once('exit', (code, signal) => {
    process.exit(code ?? 128 + (constants.signals[signal] ?? 0));
  });
}
