// The key service: one process that holds the token's login, custodian keys and group keys, and gives
// out only what a committed event allows. Composed here from its parts; main.ts runs it as a process,
// tests run it within theirs. Source of truth: docs/architecture.md §3 "Key service".
import { performance } from 'node:perf_hooks';
import type { PostsealError } from '../../kernel/errors.ts';
import type { OrganisationId } from '../../kernel/ids.ts';
import type { EventSealer } from '../../ledger/event/event-sealer.ts';
import type { Database } from '../../platform/postgres/database.ts';
import type { GenerationStep } from '../keys/generation-steps.ts';
import type { KeyStore } from '../keys/key-store.ts';
import type { KeyStatus } from '../keys/types.ts';
import { answerCalls } from './answer-calls.ts';
import { runGenerationStep } from './generations.ts';
import { createHandouts } from './handouts.ts';
import { createKeyLimits, keyLimitsDefault, type KeyLimitRates } from './key-limits.ts';
import { openKeySocket, type ServeDeps } from './key-socket.ts';
import { type KeyListener, type KeyTls, type KeyTlsDeps, openKeyTls } from './key-tls.ts';
import { KeyTree } from './key-tree.ts';
import { createOpenGate } from './open-gate.ts';
import { openRootKeys, type RootKeys } from './root-keys.ts';

export interface KeyServiceDeps {
  /** Its own small pool; 2 connections are enough. */
  readonly database: Database;
  readonly store: KeyStore;
  readonly organisation: OrganisationId;
  /** Component `keys`. */
  readonly sealer: EventSealer;
  readonly socketPath: string;
  /** Unix milliseconds. */
  readonly now: () => number;
  /**
   * Failures that are not the caller's (token, database, ledger, changed wraps), and refused openings,
   * which no sound node asks for.
   */
  readonly onError: (error: unknown) => void;
  readonly limits?: KeyLimitRates;
  /** For nodes on other machines; absent: none. */
  readonly listener?: KeyListener;
  readonly custodianBytesMax?: number;
  readonly groupBytesMax?: number;
}

export interface KeyService {
  readonly socketPath: string;
  /** Of the listener for other machines; undefined without one. */
  readonly port: number | undefined;
  status(): Promise<KeyStatus>;
  /** Zeroes all cached keys; they load again from their wraps. */
  flush(): void;
  /** Writes what it still owes the ledger, zeroes its keys, ends the socket. Not store nor database. */
  close(): Promise<void>;
}

/** Roughly 20,000 custodians and 80,000 groups. */
const custodianBytesDefault = 48 * 1_048_576;
const groupBytesDefault = 128 * 1_048_576;

/**
 * Opens the root of the tree and listens. @throws PostsealError `key.store-other` (these
 * tables belong to another token), `key.unavailable`, `database.unreachable`.
 */
export async function startKeyService(deps: KeyServiceDeps): Promise<KeyService> {
  const { database, store, organisation, sealer, onError } = deps;
  const root = await openRootKeys({ database, store, organisation, sealer });
  const tree = new KeyTree({
    database,
    organisation,
    sealer,
    root,
    custodianBytesMax: deps.custodianBytesMax ?? custodianBytesDefault,
    groupBytesMax: deps.groupBytesMax ?? groupBytesDefault,
  });
  const gate = createOpenGate({ database, now: deps.now });
  const handouts = createHandouts({ database, sealer, onFailure: onError });
  const limits = createKeyLimits(deps.limits ?? keyLimitsDefault, () => performance.now());
  const counts = { wraps: 0, opens: 0, refusals: 0 };
  const status = (): Promise<KeyStatus> => statusOf({ store, root, tree, counts });
  const inventory = () => store.inventory();
  const onRefusal = createRefusalAlarm(onError);
  const { now } = deps;
  const generation = (step: GenerationStep): Promise<object> =>
    runGenerationStep({ database, store, organisation, sealer, root, tree, now }, step);
  const answerDeps = {
    organisation,
    tree,
    root,
    gate,
    handouts,
    limits,
    counts,
    status,
    inventory,
    generation,
    onRefusal,
    onError,
  };
  const serving: ServeDeps = {
    answer: (calls, reply, client) => answerCalls(answerDeps, calls, reply, client),
    onError,
  };
  const socket = await openKeySocket({ ...serving, path: deps.socketPath });
  const tls = await openListener(deps.listener, serving, (reason, error) => {
    handouts.stranger(reason);
    onRefusal(reason, error);
  }).catch(async (error: unknown) => {
    await socket.close();
    throw error;
  });
  return {
    port: tls?.port,
    socketPath: deps.socketPath,
    status,
    flush: () => {
      tree.flush();
    },
    close: async () => {
      await Promise.all([socket.close(), tls?.close()]);
      await handouts.close();
      tree.flush();
      root.close();
    },
  };
}

async function statusOf(of: {
  readonly store: KeyStore;
  readonly root: RootKeys;
  readonly tree: KeyTree;
  readonly counts: Pick<KeyStatus, 'wraps' | 'opens' | 'refusals'>;
}): Promise<KeyStatus> {
  const { store, root, tree, counts } = of;
  const { available, token, profile, mechanism } = await store.health();
  return {
    available,
    kind: store.kind,
    tokenClass: store.tokenClass,
    token,
    profile,
    mechanism,
    generation: root.generation,
    custodianKeysCached: tree.custodiansCached,
    groupKeysCached: tree.groupsCached,
    ...counts,
  };
}

async function openListener(
  listener: KeyListener | undefined,
  serving: ServeDeps,
  onStranger: KeyTlsDeps['onStranger'],
): Promise<KeyTls | undefined> {
  return listener === undefined ? undefined : openKeyTls({ ...serving, listener, onStranger });
}

/** A node that is wrong is wrong often: one alarm a reason and second. The ledger has every refusal. */
const alarmEveryMs = 1_000;

function createRefusalAlarm(
  onError: (error: unknown) => void,
): (reason: string, error: PostsealError) => void {
  const last = new Map<string, number>();
  return (reason, error) => {
    // A long read outlives its event in the ordinary course of things and records a new one.
    if (reason === 'expired') return;
    const at = performance.now();
    if (at - (last.get(reason) ?? -Infinity) < alarmEveryMs) return;
    last.set(reason, at);
    onError(error);
  };
}
