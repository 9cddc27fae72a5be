// The Unix socket of the key service. Whoever may open the file may ask; the file is 0600 in a folder
// that belongs to the server alone. Answers of one turn leave in one frame.
import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { encodeFrame, decodeCalls, FrameSplitter, type Call } from '../keys/key-protocol.ts';
import { decodeRequest } from './calls.ts';
import type { Pending } from './answer-calls.ts';

export interface KeySocket {
  /** Ends all connections and removes the socket. */
  close(): Promise<void>;
}

export interface ServeDeps {
  /** `client` is who asks, for limits: `local`, or a node by the name in its certificate. */
  readonly answer: (
    calls: readonly Pending[],
    reply: (answer: Call) => void,
    client: string,
  ) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

export interface KeySocketDeps extends ServeDeps {
  readonly path: string;
}

/** Unsent bytes above which a connection is not read any further. */
const unsentMax = 4 * 1_048_576;
/** Answers above this size leave without waiting for the end of the turn. */
const frameBytesWanted = 1_048_576;

/** Listens. A socket file that is left over is replaced: the home's lock has settled who may serve. */
export async function openKeySocket(deps: KeySocketDeps): Promise<KeySocket> {
  await rm(deps.path, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serveConnection(socket, deps, 'local');
  });
  await listen(server, deps.path);
  await chmod(deps.path, 0o600);
  return {
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
      await rm(deps.path, { force: true });
    },
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Reads calls from a connection that may ask, and answers them. */
export function serveConnection(socket: Socket, deps: ServeDeps, client: string): void {
  const splitter = new FrameSplitter();
  const send = createSender(socket);
  socket.on('error', () => {
    // The node is gone or never was one; `close` follows, and its calls have nobody to answer to.
  });
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const frame of splitter.push(chunk)) {
        const calls = decodeCalls(frame);
        frame.fill(0);
        const pending = decodeAll(calls);
        void deps.answer(pending, send, client).finally(() => {
          for (const { payload } of calls) payload.fill(0);
        });
      }
    } catch (error) {
      deps.onError(error);
      socket.destroy();
      return;
    }
    if (socket.writableLength > unsentMax) {
      socket.pause();
      socket.once('drain', () => socket.resume());
    }
  });
}

/** What a frame that does not decode carries is zeroed like that of one that does. */
function decodeAll(calls: readonly Call[]): Pending[] {
  try {
    return calls.map((call) => ({ id: call.id, request: decodeRequest(call) }));
  } catch (error) {
    for (const { payload } of calls) payload.fill(0);
    throw error;
  }
}

/** Gathers answers and sends them at the end of the turn; their bytes are zeroed once they have left. */
function createSender(socket: Socket): (answer: Call) => void {
  let waiting: Call[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (waiting.length === 0) return;
    const frame = encodeFrame(waiting);
    for (const { payload } of waiting) payload.fill(0);
    waiting = [];
    bytes = 0;
    if (socket.destroyed) frame.fill(0);
    else socket.write(frame, () => frame.fill(0));
  };
  return (answer) => {
    if (waiting.length === 0) setImmediate(flush);
    waiting.push(answer);
    bytes += answer.payload.length;
    if (bytes > frameBytesWanted) flush();
  };
}
