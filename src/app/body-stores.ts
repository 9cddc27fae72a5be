// Which body store a home uses: the registry of kinds, and the home's memory of its choice. Bodies are not
// carried from one store to another, so a home whose configuration names another one is refused.
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PostsealError } from '../kernel/errors.ts';
import type { Config } from '../platform/config/config.ts';
import type { Log } from '../platform/log/log.ts';
import type { BodyStore } from '../vault/packs/body-store.ts';
import { createPackStore } from '../vault/packs/pack-store.ts';

type Kind = Config['bodies']['store'];
type Of<K extends Kind> = Extract<Config['bodies'], { readonly store: K }>;

interface BodyStoreKind<K extends Kind> {
  /** Makes no request; `log` is left out by commands. */
  open(config: Config, bodies: Of<K>, log?: Log): Promise<BodyStore>;
  /** Proves at a start that the store is what it says. */
  prove(bodies: Of<K>): Promise<void>;
  /** What may never change while a home has bodies. */
  place(bodies: Of<K>): Readonly<Record<string, string>>;
}

const kinds: { readonly [K in Kind]: BodyStoreKind<K> } = {
  packs: {
    open: ({ home }) =>
      Promise.resolve(createPackStore({ root: join(home, 'packs'), random: randomBytes })),
    prove: () => Promise.resolve(),
    place: () => ({}),
  },
  s3: {
    // Loaded where it is used: the client is large (ADR 13).
    async open(_config, { s3 }, log) {
      const { openS3Bodies } = await import('../vault/s3/open-s3-bodies.ts');
      return openS3Bodies(s3, {
        onAway: (error) => log?.warn('bodies.store.away', { error }),
        onBack: () => log?.info('bodies.store.back'),
      });
    },
    async prove({ s3 }) {
      const { proveS3 } = await import('../vault/s3/open-s3-bodies.ts');
      await proveS3(s3);
    },
    // An endpoint may move; bucket and prefix are where the bodies are.
    place: ({ s3: { bucket, prefix } }) => ({ bucket, prefix }),
  },
};

/** Opens the body store of a home; makes no request. */
export function openBodyStore(config: Config, log?: Log): Promise<BodyStore> {
  const { bodies } = config;
  return bodies.store === 's3'
    ? kinds.s3.open(config, bodies, log)
    : kinds.packs.open(config, bodies, log);
}

/**
 * Proves the store at the start of a home, and lets the home keep it.
 * @throws PostsealError `config.body-store`, `config.store-lock`, `store.unreachable`.
 */
export async function pinBodyStore(config: Config): Promise<void> {
  const { bodies } = config;
  const path = join(config.home, 'body-store.json');
  const place = bodies.store === 's3' ? kinds.s3.place(bodies) : kinds.packs.place(bodies);
  const wanted = JSON.stringify({ format: 'postseal/body-store/1', store: bodies.store, ...place });
  const known = existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
  const differs =
    known === undefined ? bodies.store === 's3' && hasPacks(config) : known !== wanted;
  if (differs) throw new PostsealError('config.body-store', { file: path, wanted: bodies.store });
  if (bodies.store === 's3') await kinds.s3.prove(bodies);
  if (known !== undefined) return;
  writeFileSync(`${path}.new`, `${wanted}\n`, { mode: 0o600, flush: true });
  renameSync(`${path}.new`, path);
}

/** A home from before there was a choice. */
function hasPacks({ home }: Config): boolean {
  const packs = join(home, 'packs');
  return existsSync(packs) && readdirSync(packs).length > 0;
}
