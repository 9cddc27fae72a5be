// The socket under the client: frames out once a turn, answers in by number, a new connection when the
// old one breaks, and a time for every call.
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { PostsealError } from '../../kernel/errors.ts';
import { connectEndpoint, type KeyEndpoint } from './key-endpoint.ts';
import {
  answers,
  decodeCalls,
  encodeFrame,
  FrameSplitter,
  type Call,
  type OperationCode,
} from './key-protocol.ts';
import { decodeError } from './wire-error.ts';

interface Waiting {
  readonly call: Call;
  readonly deadline: number;
  sent: boolean;
  readonly resolve: (answer: Buffer) => void;
  readonly reject: (error: Error) => void;
}

const retryFirstMs = 20;
const retryMaxMs = 1_000;
const frameBytesWanted = 1_048_576;
/** Payload bytes that may wait for a service that is away. */
const waitingBytesMax = 64 * 1_048_576;
/** How often overdue calls are looked for. */
const overdueMs = 100;

export class KeyConnection {
  readonly #endpoint: KeyEndpoint;
  readonly #timeoutMs: number;
  /** By call id, in the order of the calls. */
  readonly #waiting = new Map<number, Waiting>();
  #waitingBytes = 0;
  #next = 1;
  #socket: Socket | undefined;
  #connected = false;
  #flushing = false;
  #retryMs = retryFirstMs;
  #retry: NodeJS.Timeout | undefined;
  #overdue: NodeJS.Timeout | undefined;
  #closed = false;
  /** Code of what the last connection failed with. */
  #trouble: string | undefined;

  constructor(endpoint: KeyEndpoint, timeoutMs: number) {
    this.#endpoint = endpoint;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Sends a call and resolves with its answer; the payload is zeroed when the call is over.
   * @throws PostsealError `key.unavailable` when the time is up, and what the service answers.
   */
  call(code: OperationCode, payload: Buffer): Promise<Buffer> {
    if (this.#closed) return Promise.reject(unavailable('closed'));
    if (this.#waitingBytes + payload.length > waitingBytesMax) {
      return Promise.reject(unavailable('queue'));
    }
    const id = this.#next;
    this.#next = id === 0xffffffff ? 1 : id + 1;
    return new Promise((resolve, reject) => {
      const deadline = performance.now() + this.#timeoutMs;
      const call = { id, code, payload };
      this.#waiting.set(id, { call, deadline, sent: false, resolve, reject });
      this.#waitingBytes += payload.length;
      this.#overdue ??= setInterval(() => {
        this.#failOverdue();
      }, overdueMs);
      this.#schedule();
    });
  }

  close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    for (const { call } of this.#waiting.values())
      this.#finish(call.id)?.reject(unavailable('closed'));
    this.#socket?.destroy();
    return Promise.resolve();
  }

  /** Everything that is called until the end of this turn goes into one frame. */
  #schedule(): void {
    if (!this.#connected) {
      this.#connect();
      return;
    }
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const socket = this.#socket;
    if (!this.#connected || socket === undefined) return;
    let calls: Call[] = [];
    let bytes = 0;
    const send = (): void => {
      if (calls.length === 0) return;
      const frame = encodeFrame(calls);
      socket.write(frame, () => frame.fill(0));
      calls = [];
      bytes = 0;
    };
    for (const waiting of this.#waiting.values()) {
      if (waiting.sent) continue;
      waiting.sent = true;
      calls.push(waiting.call);
      bytes += waiting.call.payload.length;
      if (bytes > frameBytesWanted) send();
    }
    send();
  }

  #connect(): void {
    if (this.#socket !== undefined || this.#retry !== undefined || this.#closed) return;
    let socket: Socket;
    try {
      socket = connectEndpoint(this.#endpoint, () => {
        this.#connected = true;
        this.#refer();
        this.#flush();
      });
    } catch (error) {
      // A certificate that cannot be read just now may be on its way.
      this.#trouble = codeOf(error);
      this.#connectLater();
      return;
    }
    const splitter = new FrameSplitter();
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of splitter.push(chunk)) this.#receive(frame);
      } catch {
        // Not the frames of this protocol: whatever this is, a new connection starts clean.
        socket.destroy();
      }
    });
    socket.on('error', (error) => {
      this.#trouble = codeOf(error);
      // `close` follows; calls whose time is not up are sent again over the next connection.
    });
    socket.on('close', () => {
      this.#trouble ??= 'closed';
      this.#lost(socket);
    });
  }

  #receive(frame: Buffer): void {
    // Only now: with TLS 1.3 a service that refuses this node's certificate looks connected at first.
    this.#trouble = undefined;
    this.#retryMs = retryFirstMs;
    for (const { id, code, payload } of decodeCalls(frame)) {
      const waiting = this.#finish(id);
      // The caller's time was up: nobody may keep these keys.
      if (waiting === undefined) payload.fill(0);
      else if (code === answers.ok) waiting.resolve(payload);
      else waiting.reject(decodeError(payload));
    }
    frame.fill(0);
  }

  #lost(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#connected = false;
    for (const waiting of this.#waiting.values()) waiting.sent = false;
    if (this.#closed || this.#waiting.size === 0) return;
    this.#connectLater();
  }

  #connectLater(): void {
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#connect();
    }, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, retryMaxMs);
  }

  #finish(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(id);
    this.#waitingBytes -= waiting.call.payload.length;
    waiting.call.payload.fill(0);
    if (this.#waiting.size === 0) {
      clearInterval(this.#overdue);
      this.#overdue = undefined;
      this.#refer();
    }
    return waiting;
  }

  #failOverdue(): void {
    const now = performance.now();
    for (const { call, deadline } of this.#waiting.values()) {
      // All calls have the same time, so the first that is not over ends the search.
      if (deadline > now) return;
      this.#finish(call.id)?.reject(unavailable('timeout', this.#trouble));
    }
  }

  /** An idle connection does not keep a process alive; a waiting call does. */
  #refer(): void {
    if (this.#waiting.size === 0) this.#socket?.unref();
    else this.#socket?.ref();
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown';
}

function unavailable(reason: string, cause?: string): PostsealError {
  return new PostsealError('key.unavailable', {
    reason,
    ...(cause === undefined ? {} : { cause }),
  });
}
