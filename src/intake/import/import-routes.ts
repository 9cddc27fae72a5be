// The route of imports: the command line streams framed items and reads one line an item.
import type { Pseudonyms } from '../../ledger/event/actor-keys.store.ts';
import { PostsealError } from '../../kernel/errors.ts';
import { personActor } from '../../access/person-actor.ts';
import { objectSchema, type Route, route } from '../../access/routes/route.ts';
import { type ImportDeps, runImport } from './import-run.ts';

export function importRoutes(
  deps: ImportDeps & { readonly pseudonyms: Pick<Pseudonyms, 'of'> },
): readonly Route[] {
  const access = ['system-admin'] as const;
  return [
    route<{ account: string }>({
      name: 'import.run',
      method: 'POST',
      path: '/imports',
      summary: 'Import framed messages into an account',
      access,
      body: 'stream',
      input: objectSchema({ account: { type: 'string', minLength: 1, maxLength: 320 } }),
      async run({ input, by, body }) {
        if (by === undefined) throw new PostsealError('access.signed-out');
        if (body === undefined) throw new PostsealError('usage', { request: 'no body' });
        const account = await deps.mailboxes.findAccount(input.account);
        if (account === undefined) throw new PostsealError('account.unknown');
        const actor = personActor(deps.pseudonyms, by, access);
        return runImport(deps, { account, actor, stream: body });
      },
    }),
  ];
}
