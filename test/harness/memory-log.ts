// A log that keeps its entries, for tests that ask what was logged.
import type { Log, LogEvent, LogFields } from '../../src/platform/log/log.ts';

export interface LogEntry {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly event: LogEvent;
  readonly fields: LogFields;
}

export interface MemoryLog extends Log {
  readonly entries: readonly LogEntry[];
}

export function createMemoryLog(): MemoryLog {
  const entries: LogEntry[] = [];
  const wrap = (inherited: LogFields): Log => {
    const write =
      (level: LogEntry['level']) =>
      (event: LogEvent, fields: LogFields = {}): void => {
        entries.push({ level, event, fields: { ...inherited, ...fields } });
      };
    return {
      error: write('error'),
      warn: write('warn'),
      info: write('info'),
      debug: write('debug'),
      child: (fields) => wrap({ ...inherited, ...fields }),
    };
  };
  return { ...wrap({}), entries };
}
