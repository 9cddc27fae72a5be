// The command table: one line a command. CAPABILITY and the dispatcher are computed from it.
import type { Command } from '../command.ts';
import { append } from './append.ts';
import { authenticate } from './authenticate.ts';
import { capability } from './capability.ts';
import { copy, move } from './copy.ts';
import { enable } from './enable.ts';
import { expunge } from './expunge.ts';
import { create, remove, rename, subscribe, unsubscribe } from './folders.ts';
import { fetch } from './fetch.ts';
import { id } from './id.ts';
import { idle } from './idle.ts';
import { close, unselect } from './leave.ts';
import { list, lsub } from './list.ts';
import { login } from './login.ts';
import { logout } from './logout.ts';
import { namespace } from './namespace.ts';
import { check, noop } from './noop.ts';
import { search } from './search.ts';
import { examine, select } from './select.ts';
import { startTls } from './starttls.ts';
import { status } from './status.ts';
import { store } from './store.ts';

/** In the order in which CAPABILITY names what they bring. */
export const commands: readonly Command[] = [
  capability,
  noop,
  logout,
  id,
  enable,
  startTls,
  login,
  authenticate,
  append,
  idle,
  namespace,
  list,
  lsub,
  status,
  create,
  remove,
  rename,
  subscribe,
  unsubscribe,
  select,
  examine,
  check,
  close,
  unselect,
  fetch,
  search,
  store,
  expunge,
  copy,
  move,
];

const byName: ReadonlyMap<string, Command> = new Map(
  commands.flatMap((row) => [
    ...(row.uid === 'only' ? [] : [[row.name, row] as const]),
    ...(row.uid === false ? [] : [[`UID ${row.name}`, row] as const]),
  ]),
);

/** The row of `name` (upper case), or of `UID name`. */
export function commandOf(name: string, uid: boolean): Command | undefined {
  return byName.get(uid ? `UID ${name}` : name);
}
