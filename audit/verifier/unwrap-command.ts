// The step that only the owner of the token can do: the key-encryption key never leaves it, so a command
// of the owner is asked (docs/formats/export.md "The unwrapping command").
import { spawnSync } from 'node:child_process';
import { CannotRun } from './finding.ts';
import { Refused } from './refused.ts';

/** What the token is to decrypt; binary values in lower-case hex. */
export interface UnwrapRequest {
  readonly format: 'postseal/unwrap/1';
  /** `CKA_LABEL` and `CKA_ID` of the key. */
  readonly kekLabel: string;
  readonly kekId: string;
  readonly mechanism: 'CKM_AES_GCM' | 'CKM_AES_KEY_WRAP_KWP';
  /** With AES-GCM alone. */
  readonly iv?: string;
  readonly aad?: string;
  readonly tagBits?: number;
  readonly data: string;
}

/** Answers the decrypted bytes. */
export type Unwrap = (request: UnwrapRequest) => Buffer;

/** Exit code by which a command says that the token refused the bytes. */
const refusedByToken = 70;
const timeLimitMs = 120_000;

/**
 * Runs `command` in the shell for each request. Its standard error is the caller's, so that it can ask for a
 * PIN on the terminal. @throws CannotRun when it fails, Refused when it says 70.
 */
export function unwrapBy(command: string): Unwrap {
  return (request) => {
    const ran = spawnSync('/bin/sh', ['-c', command], {
      input: `${JSON.stringify(request)}\n`,
      stdio: ['pipe', 'pipe', 'inherit'],
      timeout: timeLimitMs,
    });
    // A command that does not read its input is judged by its exit code and answer, as any other.
    if (ran.status === refusedByToken) {
      throw new Refused('kek-wrap', 'tag', 'the token does not open it');
    }
    if (ran.status !== 0) {
      const how = ran.status === null ? 'did not end by itself' : `ended with ${ran.status}`;
      throw new CannotRun(`the unwrapping command ${how}`);
    }
    const answer = /^((?:[0-9a-f]{2})+)\r?\n?$/i.exec(ran.stdout.toString('latin1'))?.[1];
    ran.stdout.fill(0);
    if (answer === undefined) {
      throw new CannotRun('the unwrapping command did not answer one line of hex digits');
    }
    return Buffer.from(answer, 'hex');
  };
}
