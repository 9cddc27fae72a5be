// The one error type and the one registry of codes; docs/reference/errors.md is generated from it.
// Public text and private reason are separate: `publicText` may reach a client, `cause` never does.

import { type ErrorSpec, errorSpec as spec, type ExitCode } from './error-spec.ts';
import { backupErrors } from './backup-errors.ts';
import { keyErrors } from './key-errors.ts';
import { storeErrors } from './store-errors.ts';

export { exitCode, type ErrorSpec, type ExitCode } from './error-spec.ts';

export const errorRegistry = {
  'config.invalid': spec('The configuration is not valid.', 'run postseal config check', false, 78),
  'config.listener': spec(
    'A listener cannot be opened at its address.',
    'set listeners.NAME.host to an address of this machine and listeners.NAME.port to one you may use',
    false,
    78,
  ),
  'config.secret-missing': spec(
    'A configured secret cannot be read.',
    'set the named environment variable or file',
    false,
    78,
  ),
  'home.locked': spec(
    'Another Postseal runs in this home.',
    'stop it, or choose another POSTSEAL_HOME',
    false,
    1,
  ),
  'home.port-taken': spec(
    'A port is taken.',
    'stop the other program or set another port',
    false,
    1,
  ),
  'home.disk-full': spec(
    'The disk is full.',
    'free space; reads go on, intake answers 4xx',
    true,
    1,
  ),
  'home.not-writable': spec(
    'The home cannot be written.',
    'check the owner and mode of POSTSEAL_HOME',
    false,
    1,
  ),
  'database.unreachable': spec(
    'PostgreSQL cannot be reached.',
    'check that it runs and that DATABASE_URL is right',
    true,
    1,
  ),
  'database.embedded-failed': spec(
    'The embedded PostgreSQL does not start.',
    'see log/postgres.log in the home',
    true,
    1,
  ),
  'database.embedded-missing': spec(
    'There is no embedded PostgreSQL for this machine.',
    'run npm start once, or set DATABASE_URL',
    false,
    1,
  ),
  'database.embedded-root': spec(
    'PostgreSQL does not run as root, and no other identity can be taken here.',
    'start as an ordinary user, or set DATABASE_URL',
    false,
    1,
  ),
  'database.migration': spec(
    'The database schema is not the one of this version.',
    'run postseal migrate',
    false,
    1,
  ),
  ...keyErrors,
  ...backupErrors,
  'integrity.tag': spec(
    'Stored bytes do not match their authentication tag.',
    'run postseal scrub; restore from backup',
    false,
    70,
  ),
  'integrity.format': spec(
    'Stored bytes are not of a known format.',
    'run postseal scrub; restore from backup',
    false,
    70,
  ),
  'integrity.pack': spec(
    'A pack does not hold what the database says.',
    'run postseal scrub; restore from backup',
    false,
    70,
  ),
  'integrity.backup': spec(
    'A file of a backup is damaged or missing.',
    'keep it as it is; postseal backup verify names all, an older set may be whole',
    false,
    70,
  ),
  'integrity.ledger': spec(
    'The ledger does not verify.',
    'run postseal ledger verify; do not delete anything',
    false,
    70,
  ),
  'ledger.no-entry': spec(
    'The ledger does not have that many entries.',
    'entries are numbered from 0, see postseal ledger query',
    false,
    1,
  ),
  'ledger.stalled': spec(
    'The ledger does not grow; operations wait.',
    'see postseal doctor',
    true,
    1,
  ),
  ...storeErrors,
  'erasure.incomplete': spec(
    'Something of an erased record is still there.',
    'keep the named tables as they are and report it; the keys are destroyed all the same',
    false,
    70,
  ),
  'limit.message-size': spec(
    'The message is larger than this archive takes.',
    'see limits.messageBytes',
    false,
    1,
  ),
  'limit.reached': spec('A limit is reached.', 'see docs/reference/config.md', false, 1),
  'import.unreadable': spec(
    'A file or folder of the import cannot be used.',
    'check its path, its kind and its permissions',
    false,
    1,
  ),
  'import.empty': spec(
    'No message was found there.',
    'check the path and the format: mbox, eml or maildir',
    false,
    1,
  ),
  'import.present': spec('The message was imported before.', 'nothing is to be done', false, 1),
  'intake.busy': spec('Intake is busy.', 'deliver again later', true, 1),
  'account.unknown': spec('There is no such account.', 'see postseal account list', false, 1),
  'account.alias': spec(
    'The address is no alias of the account.',
    'check the address; the name of the account itself stays its address',
    false,
    1,
  ),
  'account.name': spec('The account name is not allowed.', 'choose another name', false, 1),
  'account.exists': spec('The account exists.', 'choose another name', false, 1),
  'person.unknown': spec('There is no such person.', 'see postseal person list', false, 1),
  'person.exists': spec('The person exists.', 'choose another name', false, 1),
  'role.conflict': spec(
    'These roles exclude each other.',
    'one person holds one of system, security and audit admin',
    false,
    1,
  ),
  'role.unchanged': spec(
    'The person holds the role already, or does not hold it.',
    'see postseal person list',
    false,
    1,
  ),
  'role.last-holder': spec(
    'Nobody else who may sign in holds this role.',
    'give the role to another person first',
    false,
    1,
  ),
  'person.name': spec(
    'The name of a person has lower-case letters, digits, dot, hyphen, underscore or @.',
    'choose another name',
    false,
    2,
  ),
  'access.denied': spec('You are not allowed to do this.', 'ask for the role that may', false, 1),
  'access.signed-out': spec('Nobody is signed in.', 'run postseal person login', false, 1),
  'access.credentials': spec(
    'Name or password is wrong.',
    'try again; three failures lock the name for a while',
    false,
    1,
  ),
  'access.locked': spec(
    'The name is locked after failed sign-ins.',
    'wait, or ask the security administrator',
    true,
    1,
  ),
  'access.password-change': spec(
    'The one-time password must be changed first.',
    'run postseal person password',
    false,
    1,
  ),
  'access.password-policy': spec(
    'The password is too short.',
    'use at least 16 characters',
    false,
    2,
  ),
  'approval.self': spec(
    'Nobody decides on their own proposal.',
    'another person must decide',
    false,
    1,
  ),
  'approval.subject': spec(
    'Nobody decides on an act that is about themselves.',
    'another person must decide',
    false,
    1,
  ),
  'approval.twice': spec(
    'You have decided on this already.',
    'another person must decide',
    false,
    1,
  ),
  'approval.officers': spec(
    'Too few persons hold the role that must decide.',
    'give the role to more persons, see postseal person role',
    false,
    1,
  ),
  'approval.unknown': spec('There is no such approval.', 'see postseal approval list', false, 1),
  'approval.state': spec(
    'The approval is not in the state that this needs.',
    'see postseal approval list',
    false,
    1,
  ),
  'mailbox.unknown': spec('There is no such mailbox.', 'list the mailboxes', false, 1),
  'mailbox.exists': spec('The mailbox exists.', 'choose another name', false, 1),
  'mailbox.name': spec('The mailbox name is not allowed.', 'choose another name', false, 1),
  'mailbox.protected': spec(
    'This mailbox cannot be deleted or replaced.',
    'keep it: INBOX lives as long as the account',
    false,
    1,
  ),
  usage: spec('The command line is not right.', 'see postseal --help', false, 2),
  'server.unreachable': spec('No server runs in this home.', 'start it with npm start', true, 1),
  'server.connection-lost': spec(
    'The server ended the connection before its answer was complete.',
    'see whether it still runs, then repeat',
    true,
    1,
  ),
  'server.stop-late': spec(
    'A part of the server did not end in its time.',
    'the next start recovers; what still ran was ended with the process',
    false,
    1,
  ),
  'session.unknown': spec('There is no such session.', 'see postseal session list', false, 1),
  internal: spec('Something went wrong inside.', 'see the log', false, 1),
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof errorRegistry;
export type ErrorFields = Readonly<Record<string, string | number | boolean>>;

/**
 * Every expected failure. `fields` may be logged and printed: ids, counts and places only, never a
 * subject, an address, a body or a secret.
 */
export class PostsealError extends Error {
  readonly code: ErrorCode;
  readonly fields: ErrorFields;
  constructor(code: ErrorCode, fields: ErrorFields = {}, cause?: unknown) {
    super(errorRegistry[code].text, cause === undefined ? undefined : { cause });
    this.name = 'PostsealError';
    this.code = code;
    this.fields = fields;
  }
  get retryable(): boolean {
    return errorRegistry[this.code].retryable;
  }
  get hint(): string {
    return errorRegistry[this.code].hint;
  }
  get exit(): ExitCode {
    return errorRegistry[this.code].exit;
  }
}

/** Bytes, tags, chains or roots that do not match: never handled below the process (exit 70). */
export class IntegrityError extends PostsealError {
  constructor(
    code: Extract<ErrorCode, `integrity.${string}`>,
    fields: ErrorFields,
    cause?: unknown,
  ) {
    super(code, fields, cause);
    this.name = 'IntegrityError';
  }
}

/** A programmer's error: crash the connection or the process, never continue. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
}

/** Throws `InvariantViolation` with `what` unless `condition` holds. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new InvariantViolation(what);
}
