// Every command of the command line: one file a noun, one line here.
import type { Verb } from '../verb.ts';
import { accountVerbs } from './account.ts';
import { approvalVerbs } from './approval.ts';
import { backupVerbs } from './backup.ts';
import { importVerbs } from './import.ts';
import { keyVerbs } from './key.ts';
import { ledgerVerbs } from './ledger.ts';
import { personVerbs } from './person.ts';
import { restoreVerbs } from './restore.ts';
import { serverVerbs } from './server.ts';
import { sessionVerbs } from './session.ts';

export const verbs: readonly Verb[] = [
  ...serverVerbs,
  ...personVerbs,
  ...accountVerbs,
  ...sessionVerbs,
  ...approvalVerbs,
  ...importVerbs,
  ...backupVerbs,
  ...restoreVerbs,
  ...ledgerVerbs,
  ...keyVerbs,
];
