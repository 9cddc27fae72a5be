// Everything that `postseal doctor` looks at, in the order in which it is printed.
import { PostsealError } from '../../kernel/errors.ts';
import { bodiesCheck } from './bodies-check.ts';
import { clockCheck, databaseCheck, ledgerCheck } from './database-checks.ts';
import { coreDumpCheck } from './core-dump-check.ts';
import type { DoctorAnswer, DoctorCheck, DoctorContext } from './doctor-check.ts';
import { signerCheck, tokenCheck } from './key-checks.ts';
import { ledgerRightsCheck } from './ledger-rights-check.ts';
import {
  certificateCheck,
  diskCheck,
  firstRunCheck,
  homeCheck,
  nodeCheck,
} from './machine-checks.ts';

export const doctorChecks: readonly DoctorCheck[] = [
  nodeCheck,
  homeCheck,
  diskCheck,
  bodiesCheck,
  databaseCheck,
  clockCheck,
  tokenCheck,
  coreDumpCheck,
  signerCheck,
  ledgerCheck,
  ledgerRightsCheck,
  certificateCheck,
  firstRunCheck,
];

/** Runs every check; one that breaks is a bad answer, not an end. */
export async function examineHome(
  context: DoctorContext,
): Promise<readonly (DoctorAnswer & { readonly name: string })[]> {
  const answers: (DoctorAnswer & { readonly name: string })[] = [];
  for (const check of doctorChecks) {
    try {
      answers.push({ name: check.name, ...(await check.look(context)) });
    } catch (error) {
      const reason = error instanceof PostsealError ? error.code : 'unexpected error';
      answers.push({ name: check.name, verdict: 'bad', text: `could not be looked at: ${reason}` });
    }
  }
  return answers;
}
