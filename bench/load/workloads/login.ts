// Connect, LOGIN, LOGOUT: a new connection each time, with and without TLS.
import { type Endpoint, LoadClient } from '../imap-client.ts';
import type { Target, Workload } from '../workload.ts';

function loginWorkload(name: string, endpoint: (target: Target) => Endpoint): Workload {
  return {
    name,
    unit: 'logins/s',
    open({ target }, index) {
      const user = target.users[index % target.users.length]!;
      return Promise.resolve({
        async step() {
          const client = await LoadClient.connect(endpoint(target));
          await client.login(user.name, user.password);
          await client.logout();
        },
        close: () => Promise.resolve(),
      });
    },
  };
}

export const login = loginWorkload('login, no TLS', (target) => target.imap);
export const loginTls = loginWorkload('login, TLS 1.3', (target) => target.imaps);
