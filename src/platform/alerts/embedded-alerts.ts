// What the embedded PostgreSQL tells, as log lines and alerts.
import type { Log } from '../log/log.ts';
import type { EmbeddedEvent } from '../postgres/embedded.ts';
import type { AlertBus } from './alert-bus.ts';

/** For `EmbeddedOptions.onEvent`. A death heals by itself, a failed restart does not. */
export function reportEmbeddedEvents(log: Log, alerts: AlertBus): (event: EmbeddedEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'created':
        log.info('postgres.server.created');
        break;
      case 'started':
        log.info('postgres.server.started', { pid: event.pid, durationMs: event.durationMs });
        break;
      case 'died':
        log.error('postgres.server.died', { pid: event.pid, reason: event.reason });
        alerts.raise({ code: 'postgres.died', fields: { reason: event.reason } });
        break;
      case 'restart-failed':
        log.error('postgres.server.restart-failed', {
          attempt: event.attempt,
          error: event.cause,
        });
        alerts.raise({ code: 'postgres.restart-failed' });
        break;
      case 'stopped':
        log.info('postgres.server.stopped');
        break;
    }
  };
}
