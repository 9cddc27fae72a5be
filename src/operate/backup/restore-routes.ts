// Routes of a restored archive: its report, and the signature that opens it.
import { approvalTable } from '../../access/approval-table.ts';
import { noInput, type Route, route } from '../../access/routes/route.ts';
import { PostsealError } from '../../kernel/errors.ts';
import { newestRestore } from './home-restore.store.ts';
import { signRestore, type SignRestoreDeps } from './sign-restore.ts';

const { proposes, approves } = approvalTable['restore.sign'];
const concerned = [...new Set([...proposes, ...approves])];

export function restoreRoutes(deps: SignRestoreDeps): readonly Route[] {
  return [
    route({
      name: 'restore.report',
      method: 'GET',
      path: '/restore',
      summary: 'What the newest restore of this archive brought back, and what it did not',
      access: concerned,
      input: noInput,
      async run() {
        const newest = await newestRestore(deps.database.pool);
        if (newest === undefined) throw new PostsealError('restore.none');
        return { ...newest, report: JSON.parse(newest.report) as unknown };
      },
    }),
    route({
      name: 'restore.sign',
      method: 'POST',
      path: '/restore/signature',
      summary: 'Sign the restore report: the first person proposes, the second opens the archive',
      access: concerned,
      input: noInput,
      run({ by }) {
        if (by === undefined) throw new PostsealError('access.signed-out');
        return signRestore(deps, by);
      },
    }),
  ];
}
