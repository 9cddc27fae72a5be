// Which routes still act while the report of a restore waits for its signature: all that only look, those that
// lead to the signature, and a backup, which changes nothing.
import type { Route } from '../access/routes/route.ts';
import type { Services } from './services.ts';

const goOn = /^(session|person|approval|restore|ledger)\.|^backup\.(run|drill)$|^account\.unlock$/;

export function gateRoute(row: Route, services: Pick<Services, 'gate'>): Route {
  if (row.method === 'GET' || goOn.test(row.name)) return row;
  return {
    ...row,
    async run(call) {
      await services.gate.check();
      return row.run(call);
    },
  };
}
