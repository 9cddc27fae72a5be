// What a human must act on, by the registry of alerts (alert-registry.ts), which classes each by how soon.
// Written to the log, counted, kept in memory for doctor and the API, and handed to listeners.
import type { ErrorFields } from '../../kernel/errors.ts';
import type { UnixMs } from '../../kernel/time.ts';
import type { Log } from '../log/log.ts';
import {
  type AlertClass,
  type AlertCode,
  alertDeadlineMinutes,
  alertRegistry,
} from './alert-registry.ts';

export interface AlertDraft {
  /** What happened; the same code and fields are the same alert. */
  readonly code: AlertCode;
  /** Ids, counts and places only. */
  readonly fields?: ErrorFields;
}

export interface Alert extends Required<AlertDraft> {
  readonly class: AlertClass;
  readonly raisedAt: UnixMs;
  readonly deadlineAt: UnixMs;
  readonly lastAt: UnixMs;
  /** How often it was raised before its deadline passed. */
  readonly count: number;
}

export type AlertListener = (alert: Alert) => void;

export interface AlertBus {
  /** Raises, or counts a repetition of an alert whose deadline has not passed; listeners hear it once. */
  raise(draft: AlertDraft): void;
  /** @returns how to stop listening. */
  on(listener: AlertListener): () => void;
  /** Newest last, at most 200. */
  recent(): readonly Alert[];
}

export interface AlertBusOptions {
  readonly log: Log;
  readonly now: () => UnixMs;
  /** Called for every raise, repetitions included, such as a metric's counter. */
  readonly count?: (alertClass: AlertClass, code: AlertCode) => void;
}

const keptMax = 200;

export function createAlertBus(options: AlertBusOptions): AlertBus {
  const { log, now } = options;
  const listeners = new Set<AlertListener>();
  const kept = new Map<string, Alert>();

  const tell = (alert: Alert): void => {
    for (const listener of listeners) {
      try {
        listener(alert);
      } catch (error) {
        // One broken channel must not silence the others.
        log.error('alert.listener.failed', { code: alert.code, error });
      }
    }
  };

  return {
    raise: (draft) => {
      const at = now();
      const key = JSON.stringify([draft.code, draft.fields ?? {}]);
      const { class: alertClass } = alertRegistry[draft.code];
      options.count?.(alertClass, draft.code);
      const open = kept.get(key);
      // Taken out and put back: the order of the map is the order of the list.
      kept.delete(key);
      if (open !== undefined && at < open.deadlineAt) {
        kept.set(key, { ...open, lastAt: at, count: open.count + 1 });
        log.debug('alert.state.repeated', { class: alertClass, code: draft.code });
        return;
      }
      const alert = newAlert(draft, at);
      kept.set(key, alert);
      for (const oldest of kept.keys()) {
        if (kept.size <= keptMax) break;
        kept.delete(oldest);
      }
      log.error('alert.state.raised', { class: alert.class, code: alert.code, ...alert.fields });
      tell(alert);
    },
    on: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    recent: () => [...kept.values()],
  };
}

function newAlert(draft: AlertDraft, at: UnixMs): Alert {
  const { class: alertClass } = alertRegistry[draft.code];
  const deadlineAt = (at + alertDeadlineMinutes[alertClass] * 60_000) as UnixMs;
  return {
    class: alertClass,
    code: draft.code,
    fields: draft.fields ?? {},
    raisedAt: at,
    deadlineAt,
    lastAt: at,
    count: 1,
  };
}
