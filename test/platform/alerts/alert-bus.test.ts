// Alerts are heard once, counted always, and one deaf listener silences nobody.
import { describe, expect, test } from '@jest/globals';
import type { UnixMs } from '../../../src/kernel/time.ts';
import { createAlertBus } from '../../../src/platform/alerts/alert-bus.ts';
import type { Alert } from '../../../src/platform/alerts/alert-bus.ts';
import { reportEmbeddedEvents } from '../../../src/platform/alerts/embedded-alerts.ts';
import { createMemoryLog } from '../../harness/memory-log.ts';

describe('createAlertBus', () => {
  test('gives each class its deadline and tells every listener, even beside one that throws', () => {
    const log = createMemoryLog();
    const counted: string[] = [];
    const bus = createAlertBus({
      log,
      now: () => 1_000 as UnixMs,
      count: (alertClass, code) => counted.push(`${alertClass} ${code}`),
    });
    const heard: Alert[] = [];
    bus.on(() => {
      throw new Error('deaf');
    });
    const stop = bus.on((alert) => heard.push(alert));
    bus.raise({ code: 'integrity.ledger' });
    bus.raise({ code: 'job.dead' });
    expect(heard.map(({ deadlineAt }) => deadlineAt)).toEqual([301_000, 901_000]);
    expect(counted).toEqual(['P0 integrity.ledger', 'P1 job.dead']);
    expect(log.entries.filter(({ event }) => event === 'alert.listener.failed')).toHaveLength(2);
    expect(log.entries.filter(({ event }) => event === 'alert.state.raised')).toHaveLength(2);
    stop();
    bus.raise({ code: 'postgres.died' });
    expect(heard).toHaveLength(2);
  });

  test('counts repetitions until the deadline, then raises anew; other fields are another alert', () => {
    let at = 0;
    const bus = createAlertBus({ log: createMemoryLog(), now: () => at as UnixMs });
    const heard: Alert[] = [];
    bus.on((alert) => heard.push(alert));
    bus.raise({ code: 'integrity.pack', fields: { volume: 'a' } });
    at = 299_999;
    bus.raise({ code: 'integrity.pack', fields: { volume: 'a' } });
    bus.raise({ code: 'integrity.pack', fields: { volume: 'b' } });
    expect(heard).toHaveLength(2);
    expect(bus.recent()[0]).toMatchObject({ count: 2, raisedAt: 0, lastAt: 299_999 });
    at = 300_000;
    bus.raise({ code: 'integrity.pack', fields: { volume: 'a' } });
    expect(heard).toHaveLength(3);
  });

  test('keeps the newest 200', () => {
    const bus = createAlertBus({ log: createMemoryLog(), now: () => 0 as UnixMs });
    for (let n = 0; n < 250; n += 1) bus.raise({ code: 'job.dead', fields: { n } });
    expect(bus.recent()).toHaveLength(200);
    expect(bus.recent().at(-1)?.fields).toEqual({ n: 249 });
  });
});

describe('reportEmbeddedEvents', () => {
  test('a death is P1, a failed restart P0', () => {
    const log = createMemoryLog();
    const bus = createAlertBus({ log, now: () => 0 as UnixMs });
    const report = reportEmbeddedEvents(log, bus);
    report({ kind: 'started', pid: 1, durationMs: 2 });
    report({ kind: 'died', pid: 1, reason: 'SIGKILL' });
    report({ kind: 'restart-failed', attempt: 1, cause: new Error('x') });
    expect(bus.recent().map((alert) => `${alert.class} ${alert.code}`)).toEqual([
      'P1 postgres.died',
      'P0 postgres.restart-failed',
    ]);
  });
});
