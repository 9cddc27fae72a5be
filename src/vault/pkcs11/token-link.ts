// The logged-in connection to one token, made anew when the token was away. A lost token is noticed by
// the call that fails; everything under way is waited for, then C_Finalize, C_Initialize, login and
// finding the keys run again (ending a module under a running call crashes SoftHSM).
import pkcs11js from 'pkcs11js';
import type { Handle, KeyPair, PKCS11 } from 'pkcs11js';
import { PostsealError } from '../../kernel/errors.ts';
import type { Secret } from '../../kernel/secret.ts';
import { chooseCiphers, type KekCiphers } from './choose-cipher.ts';
import { findToken, hasFlag, padded, type Cryptoki, type FoundToken } from './cryptoki.ts';
import { readPin } from './pin-file.ts';
import type { PinTries } from './pin-tries.ts';
import type { TokenProfile } from './profile.ts';
import { provisionToken } from './provision.ts';
import { createSessionPool, type SessionPool } from './session-pool.ts';
import { withinMs } from './time-limit.ts';
import { ReportedClass } from './token-class.ts';
import {
  isAlreadyLoggedIn,
  isPinLocked,
  isTokenLost,
  isWrongPin,
  tokenFailure,
} from './token-errors.ts';

export interface TokenLinkOptions {
  readonly profile: TokenProfile;
  readonly label: string;
  readonly folder: string;
  readonly pin?: Secret | undefined;
  readonly soPin?: Secret | undefined;
  /** May a token be set up if there is none? False for the signer, which comes second. */
  readonly provision: boolean;
  /** Refuse a token that is software, by its profile or by what it reports. */
  readonly hardwareOnly: boolean;
  readonly sessions: number;
  readonly callTimeoutMs: number;
  /**
   * Called when a call has not come back long after its time: within this process the module can neither be
   * used nor ended any more.
   */
  readonly onHung?: (() => void) | undefined;
  readonly tries: PinTries;
  /** Monotonic milliseconds. */
  readonly monotonic: () => number;
}

/** What a unit of work may use; valid only until it returns. */
export interface TokenConnection {
  readonly api: PKCS11;
  readonly session: Handle;
  readonly ciphers: KekCiphers;
  readonly keks: Map<string, Handle>;
  readonly pairs: Map<string, KeyPair>;
}

interface Link {
  readonly pool: SessionPool;
  readonly ciphers: KekCiphers;
  readonly keks: Map<string, Handle>;
  readonly pairs: Map<string, KeyPair>;
  readonly owner: boolean;
  readonly token: string;
}

const retryFirstMs = 100;
const retryMaxMs = 5_000;
/** What a token that is away for a while may look like. */
const passing: ReadonlySet<string> = new Set(['key.token', 'key.store-missing', 'key.mechanism']);
/** In call time-outs: after this time a call counts as never coming back. */
const hungTimeouts = 2;

export class TokenLink {
  readonly #cryptoki: Cryptoki;
  readonly #options: TokenLinkOptions;
  readonly #class: ReportedClass;
  #link: Link | undefined;
  #connecting: Promise<Link> | undefined;
  #ending: Promise<void> = Promise.resolve();
  #fatal: PostsealError | undefined;
  #failures = 0;
  #retryAt = 0;
  #closed = false;

  constructor(cryptoki: Cryptoki, options: TokenLinkOptions) {
    this.#cryptoki = cryptoki;
    this.#options = options;
    this.#class = new ReportedClass(options.profile, options.hardwareOnly);
  }

  /** By the profile and by everything that module and token have reported. */
  get tokenClass(): TokenProfile['tokenClass'] {
    return this.#class.tokenClass;
  }

  /** Model and label, as the token last reported them. */
  token = '';

  /** How KEKs work, as the last connection has chosen it. */
  mechanism = '';

  /**
   * Runs `work` on a session, reconnecting and repeating it once when the token was lost; it must be
   * safe to repeat. @throws PostsealError `key.unavailable`, `key.store-missing`, `key.pin`,
   * `key.pin-locked`, `key.token`.
   */
  async run<T>(work: (connection: TokenConnection) => Promise<T>): Promise<T> {
    const first = await this.#up();
    try {
      return await this.#use(first, work);
    } catch (error) {
      if (!isLost(error)) throw tokenFailure(error, 'run');
      this.#drop(first);
      if (isTimeout(error)) throw error;
    }
    const second = await this.#up();
    try {
      return await this.#use(second, work);
    } catch (error) {
      if (isLost(error)) {
        this.#drop(second);
        this.#backOff();
      }
      throw tokenFailure(error, 'run');
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#connecting?.catch(() => {
      // It failed, so there is nothing to end; whoever waits for it has the error.
    });
    if (this.#link !== undefined) this.#drop(this.#link);
    await this.#ended();
  }

  #use<T>(link: Link, work: (connection: TokenConnection) => Promise<T>): Promise<T> {
    const { ciphers, keks, pairs } = link;
    const { api } = this.#cryptoki;
    return link.pool.use((session) => work({ api, session, ciphers, keks, pairs }));
  }

  #up(): Promise<Link> {
    if (this.#closed) return Promise.reject(unavailable('closed'));
    if (this.#fatal !== undefined) return Promise.reject(this.#fatal);
    if (this.#link !== undefined) return Promise.resolve(this.#link);
    if (this.#connecting !== undefined) return this.#connecting;
    if (this.#options.monotonic() < this.#retryAt) return Promise.reject(unavailable('away'));
    this.#connecting = this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(): Promise<Link> {
    let owner = false;
    try {
      await this.#ended();
      owner = this.#cryptoki.initialise();
      const link = await this.#open(owner);
      this.#link = link;
      this.token = link.token;
      this.mechanism = link.ciphers.live.mechanism;
      this.#failures = 0;
      return link;
    } catch (error) {
      if (owner) this.#finalise();
      const failure = tokenFailure(error, 'connect');
      if (failure.code === 'key.pin-locked') this.#fatal = failure;
      this.#backOff();
      // A token that was there and is not found now is away, which passes; only the first start judges.
      throw this.token !== '' && passing.has(failure.code)
        ? new PostsealError('key.unavailable', failure.fields, failure)
        : failure;
    }
  }

  async #open(owner: boolean): Promise<Link> {
    const { api } = this.#cryptoki;
    const { profile, label, sessions, callTimeoutMs } = this.#options;
    // The module first: a software token that is refused is not set up either.
    this.#class.reported(padded(api.C_GetInfo().manufacturerID));
    const { slot, info } = await this.#locate();
    this.#class.reported(padded(info.manufacturerID));
    const flags = pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION;
    const handles: Handle[] = [];
    for (let i = 0; i < Math.max(1, Math.min(sessions, profile.sessions)); i += 1) {
      handles.push(api.C_OpenSession(slot, flags));
    }
    const [first] = handles;
    if (first === undefined) throw unavailable('no-session');
    await this.#login(first);
    return {
      pool: createSessionPool(handles, callTimeoutMs),
      ciphers: await chooseCiphers(api, { slot, session: first }, profile),
      keks: new Map(),
      pairs: new Map(),
      owner,
      token: `${padded(info.model)} ${profile.slot.by === 'label' ? label : padded(info.label)}`,
    };
  }

  async #locate(): Promise<FoundToken> {
    const { api } = this.#cryptoki;
    // After the first connection a missing token is away; a new empty one must not take its place.
    if (this.#options.provision && this.token === '') return provisionToken(api, this.#options);
    const { profile, label, folder } = this.#options;
    const found = findToken(api, profile, label);
    // Some modules show an empty token where there is none.
    if (found === undefined || !hasFlag(found.info, pkcs11js.CKF_USER_PIN_INITIALIZED)) {
      throw new PostsealError('key.store-missing', { label, profile: profile.name, folder });
    }
    return found;
  }

  async #login(session: Handle): Promise<void> {
    const { tries, folder } = this.#options;
    const pin = this.#options.pin ?? readPin(folder, 'user');
    if (pin === undefined) throw new PostsealError('key.pin', { reason: 'missing' });
    tries.check();
    try {
      this.#cryptoki.api.C_Login(session, pkcs11js.CKU_USER, pin.exposeText());
    } catch (error) {
      if (isAlreadyLoggedIn(error)) return;
      if (isWrongPin(error) || isPinLocked(error)) await tries.failed();
      throw tokenFailure(error, 'C_Login');
    }
    await tries.succeeded();
  }

  /** Takes a link out of service and ends the module once nothing runs on it any more. */
  #drop(link: Link): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    const { callTimeoutMs, onHung } = this.#options;
    const late = setTimeout(() => onHung?.(), hungTimeouts * callTimeoutMs);
    // A process that has nothing else to do may end.
    late.unref();
    this.#ending = link.pool.drain().then(() => {
      clearTimeout(late);
      if (link.owner) this.#finalise();
    });
  }

  /** Waits for what still runs on the last link, but not for a call that never comes back. */
  #ended(): Promise<void> {
    return withinMs(this.#ending, this.#options.callTimeoutMs, 'hung');
  }

  #finalise(): void {
    try {
      this.#cryptoki.finalise();
    } catch (error) {
      // A token that is gone may refuse even this; C_Initialize tells afterwards whether it matters.
      if (!isTokenLost(error)) throw error;
    }
  }

  #backOff(): void {
    const wait = Math.min(retryMaxMs, retryFirstMs * 2 ** this.#failures);
    this.#failures += 1;
    this.#retryAt = this.#options.monotonic() + wait;
  }
}

function unavailable(reason: string): PostsealError {
  return new PostsealError('key.unavailable', { reason });
}

function isTimeout(error: unknown): boolean {
  return error instanceof PostsealError && error.fields['reason'] === 'timeout';
}

function isLost(error: unknown): boolean {
  if (error instanceof PostsealError) return error.code === 'key.unavailable';
  return isTokenLost(error);
}
