// The certificate that every TLS listener of this process shows: the configured one, else a self-signed
// one in $HOME/tls. Files are watched; a changed pair is checked and then used for new connections.
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import { PostsealError } from '../../kernel/errors.ts';
import type { TlsConfig } from '../config/config.ts';
import type { Log } from '../log/log.ts';
import { makeSelfSigned } from './self-signed.ts';
import type { CertificatePair } from './self-signed.ts';

export interface TlsKeeper {
  /** For `tls.createServer` and `https`; call `server.setSecureContext` with it in `onChange`. */
  options(): SecureContextOptions;
  /** For a STARTTLS upgrade: always the newest. */
  context(): SecureContext;
  /** SHA-256 of the certificate, as `AA:BB:…`, for people to compare. */
  fingerprint(): string;
  /** Called after a changed pair came into use. @returns how to stop listening. */
  onChange(listener: () => void): () => void;
  close(): void;
}

export interface TlsKeeperOptions {
  readonly home: string;
  readonly config: TlsConfig;
  /** Mail domain of the organisation, a name of the self-signed certificate. */
  readonly domain: string;
  readonly log: Log;
  readonly now: () => Date;
  /** Whether this process makes and renews the self-signed pair: one of them all; default true. */
  readonly creates?: boolean;
  /** Milliseconds between looks at the files; default 2000. */
  readonly watchMs?: number;
}

const days = 365;
const renewDaysBefore = 30;
const dayMs = 86_400_000;

interface Loaded {
  readonly options: SecureContextOptions;
  readonly context: SecureContext;
  readonly fingerprint: string;
  /** When the self-signed one must be made anew; undefined for a configured one. */
  readonly renewAt: number | undefined;
}

/**
 * Loads the certificate, making one where none is configured.
 * @throws PostsealError `config.invalid` when a configured pair cannot be used.
 */
export async function openTlsKeeper(options: TlsKeeperOptions): Promise<TlsKeeper> {
  const { log, now } = options;
  const files = filesOf(options);
  const creates = files.own && (options.creates ?? true);
  if (creates) await ensureSelfSigned(options, files);
  let seen = stampOf(files);
  let loaded = load(files, options.config);
  log.info('tls.certificate.loaded', { fingerprint: loaded.fingerprint });
  const listeners = new Set<() => void>();

  const look = async (): Promise<void> => {
    if (creates && loaded.renewAt !== undefined && now().getTime() >= loaded.renewAt) {
      await ensureSelfSigned(options, files);
    }
    const stamp = stampOf(files);
    if (stamp === seen) return;
    seen = stamp;
    try {
      loaded = load(files, options.config);
    } catch (error) {
      // Half of a pair was replaced so far, or it is no pair: the next change is looked at again.
      log.warn('tls.certificate.refused', { error });
      return;
    }
    log.info('tls.certificate.loaded', { fingerprint: loaded.fingerprint });
    for (const listener of listeners) listener();
  };
  const timer = setInterval(() => {
    look().catch((error: unknown) => log.warn('tls.certificate.refused', { error }));
  }, options.watchMs ?? 2_000);
  timer.unref();

  return {
    options: () => loaded.options,
    context: () => loaded.context,
    fingerprint: () => loaded.fingerprint,
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => clearInterval(timer),
  };
}

interface PairFiles {
  readonly certificate: string;
  readonly key: string;
  /** Whether it is ours to make and renew. */
  readonly own: boolean;
}

function filesOf({ home, config }: TlsKeeperOptions): PairFiles {
  if (config.certificate !== undefined && config.key !== undefined) {
    return { certificate: config.certificate, key: config.key, own: false };
  }
  const folder = join(home, 'tls');
  return { certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem'), own: true };
}

async function ensureSelfSigned(options: TlsKeeperOptions, files: PairFiles): Promise<void> {
  const present = existsSync(files.certificate) && existsSync(files.key);
  if (present && !isDue(readFileSync(files.certificate), options.now())) return;
  const pair = await makeSelfSigned({
    dnsNames: [...new Set(['localhost', hostname(), options.domain])],
    addresses: ['127.0.0.1', '::1'],
    // A client whose clock is a little behind must not refuse it.
    notBefore: new Date(options.now().getTime() - dayMs),
    days,
  });
  writePair(files, pair);
  options.log.info('tls.certificate.created');
}

/** Whether a certificate ends soon, or is nothing that we could have made. */
function isDue(pem: Buffer, now: Date): boolean {
  try {
    return (
      new X509Certificate(pem).validToDate.getTime() - renewDaysBefore * dayMs <= now.getTime()
    );
  } catch {
    // Torn by a power cut: it is made anew.
    return true;
  }
}

function writePair(files: PairFiles, pair: CertificatePair): void {
  mkdirSync(join(files.certificate, '..'), { recursive: true, mode: 0o700 });
  const parts = [
    [files.key, pair.key],
    [files.certificate, pair.certificate],
  ] as const;
  for (const [path, text] of parts) {
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
}

function load(files: PairFiles, config: TlsConfig): Loaded {
  try {
    const cert = readFileSync(files.certificate);
    const key = readFileSync(files.key);
    const certificate = new X509Certificate(cert);
    if (!certificate.checkPrivateKey(createPrivateKey(key))) {
      throw new PostsealError('config.invalid', { '/tls': 'certificate and key are no pair' });
    }
    const options = { cert, key, minVersion: config.minVersion };
    const renewAt = files.own
      ? certificate.validToDate.getTime() - renewDaysBefore * dayMs
      : undefined;
    return {
      options,
      context: createSecureContext(options),
      fingerprint: certificate.fingerprint256,
      renewAt,
    };
  } catch (cause) {
    if (cause instanceof PostsealError) throw cause;
    throw new PostsealError('config.invalid', { '/tls': 'the certificate cannot be used' }, cause);
  }
}

/** Changes with either file; a rename over it changes the inode. */
function stampOf(files: PairFiles): string {
  return [files.certificate, files.key]
    .map((path) => {
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat === undefined ? 'absent' : `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
    })
    .join('|');
}
