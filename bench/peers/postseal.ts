// Postseal in a scratch home with default settings, started and filled with accounts the way a
// person would: by its command line.
import { createTestHome } from '../../test/harness/server.ts';
import type { Peer } from './peer.ts';

/** Starts a server on free ports and creates `users` accounts. */
export async function startPostseal(users: number): Promise<Peer> {
  const home = createTestHome({ imap: { allowCleartextLoopback: true } });
  const server = await home.start();
  const accounts = [];
  for (let i = 0; i < users; i += 1)
    accounts.push(await home.createAccount(`bench${i}@example.com`));
  const at = (port: number, tls: boolean) => ({ host: '127.0.0.1', port, tls });
  return {
    target: {
      name: 'Postseal',
      imap: at(server.ports.imap, false),
      imaps: at(server.ports.imaps, true),
      lmtp: { host: '127.0.0.1', port: server.ports.lmtp },
      users: accounts,
    },
    async stop() {
      await server.stop();
      home.remove();
    },
  };
}
