// The one registry of alerts: what can be raised at a human, how soon somebody must act, and how.
// docs/reference/alerts.md is generated from it.

export type AlertClass = 'P0' | 'P1' | 'P2';

/** Minutes within which someone must act. */
export const alertDeadlineMinutes: Readonly<Record<AlertClass, number>> = { P0: 5, P1: 15, P2: 60 };

export interface AlertSpec {
  readonly class: AlertClass;
  /** One sentence: what happened. */
  readonly text: string;
  /** What a human does about it, lower case, no full stop. */
  readonly act: string;
}

const spec = (alertClass: AlertClass, text: string, act: string): AlertSpec => ({
  class: alertClass,
  text,
  act,
});

export const alertRegistry = {
  'backup.behind': spec(
    'P1',
    'What is new does not get into the backup.',
    'see log/postseal.log for the reason; check folder, mount and space of backup.directory, and the token',
  ),
  'backup.drill-failed': spec(
    'P1',
    'A restored backup is not what the archive has.',
    'run postseal drill and postseal backup verify; make a full backup with postseal backup run --full',
  ),
  'doctor.bodies': spec(
    'P1',
    'The store of bodies does not answer.',
    'bring the object store back; until then intake answers 4xx, and nothing that was acknowledged is lost',
  ),
  'doctor.certificate': spec(
    'P1',
    'The TLS certificate has run out or cannot be read.',
    'replace tls.certificate and tls.key; the new files are taken without a restart',
  ),
  'doctor.clock': spec(
    'P1',
    'The clocks of this machine and of the database differ too much.',
    'run chrony or another time service on both',
  ),
  'doctor.database': spec(
    'P1',
    'PostgreSQL is not there, or is set so that it may lose acknowledged mail.',
    'run postseal doctor; check DATABASE_URL, fsync and synchronous_commit',
  ),
  'doctor.disk': spec(
    'P1',
    'The disk of the home is almost full.',
    'free space or add some; a full disk makes intake answer 4xx',
  ),
  'doctor.ledger': spec(
    'P1',
    'The ledger does not grow, though events wait or time passes.',
    'run postseal doctor and see log/postseal.log; do not delete anything',
  ),
  'integrity.ledger': spec(
    'P0',
    'The ledger does not verify.',
    'run postseal ledger verify, keep the home as it is, and treat it as an incident',
  ),
  'integrity.pack': spec(
    'P0',
    'Stored bytes, wraps or keys are not what the database says.',
    'run postseal scrub, keep the disk as it is, and restore what is damaged from backup',
  ),
  'job.dead': spec(
    'P1',
    'A job has failed as often as it may and is not tried again.',
    'see the log for its id; the next time of its schedule is the next try',
  ),
  'key.integrity': spec(
    'P0',
    'The key service met a wrapped key that was changed.',
    'run postseal scrub, keep the database as it is, and treat it as an incident',
  ),
  'key.limited': spec(
    'P1',
    'A session or node asks for keys faster than keyService.limits allows, and is refused.',
    'see key.refused in the ledger for who; if nobody knows why, end the session and treat it as an incident',
  ),
  'key.pin-locked': spec(
    'P0',
    'The token has locked its PIN.',
    'a security officer must unlock the token; until then nothing new is opened or taken in',
  ),
  'key.service-died': spec(
    'P1',
    'The key service ended by itself; it was started again.',
    'see the log; if it comes again, check token and memory',
  ),
  'key.troubled': spec(
    'P1',
    'The key service has trouble with token, database or ledger, or refused an opening.',
    'run postseal doctor; the field cause names the trouble',
  ),
  'key.unreconciled': spec(
    'P0',
    'The key service handed out keys that no event in the ledger allows or explains.',
    'somebody may have got at the key service: see the newest key.reconciled in the ledger, end foreign processes on the machine, and treat it as an incident',
  ),
  'ledger.signer-refused': spec(
    'P0',
    'The signer was asked to sign a ledger that is shorter than or different from what it signed before.',
    'a database was restored, cut or forked: stop the server and run postseal ledger verify',
  ),
  'ledger.stalled': spec(
    'P1',
    'Events are not numbered, or no checkpoint is signed over them; it is tried again and again.',
    'run postseal doctor; the field cause names the trouble, late what waits: inbox or checkpoint',
  ),
  'postgres.died': spec(
    'P1',
    'The embedded PostgreSQL ended by itself; it is started again.',
    'see log/postgres.log; if it comes again, check memory and disk',
  ),
  'postgres.restart-failed': spec(
    'P0',
    'The embedded PostgreSQL does not start again.',
    'see log/postgres.log; no mail goes in or out until it runs',
  ),
  'server.worker-died': spec(
    'P1',
    'A worker process ended by itself; it is started again.',
    'see the log of the worker; its sessions were cut off',
  ),
} as const satisfies Record<string, AlertSpec>;

export type AlertCode = keyof typeof alertRegistry;
