// The program log on winston: JSON lines on standard error and in $HOME/log/NAME.log, rotated by size.
// Each process writes a file of its own, because rotation belongs to one writer.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import winston from 'winston';
import type { LogLevel } from '../config/config.ts';
import type { Log, LogEvent, LogFields } from './log.ts';
import { redactFields } from './redact.ts';

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Folder of the log files; undefined: none is written. */
  readonly folder?: string;
  /** File name without `.log`, such as `postseal` or `worker-2`. */
  readonly name?: string;
  /** Whether lines go to standard error too; default true. */
  readonly standardError?: boolean;
  /** On every line, such as the process's role. */
  readonly fields?: LogFields;
}

export interface RootLog extends Log {
  /** Writes what is buffered and closes the file. */
  close(): Promise<void>;
}

const fileBytesMax = 16 * 1024 * 1024;
const filesMax = 5;

/** Opens the log of this process. */
export function createLogger(options: LoggerOptions): RootLog {
  const logger = winston.createLogger({
    level: options.level,
    format: winston.format.printf((entry) => JSON.stringify(orderEntry(entry))),
    // winston declares its own transports as interfaces, although they are instances.
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
    transports: transportsOf(options),
    // Losing log lines (a full disk) must never take the archive down.
    exitOnError: false,
  });
  logger.on('error', () => undefined);
  const log = wrap(logger, options.fields ?? {});
  return { ...log, close: () => closeLogger(logger) };
}

type Transport =
  winston.transports.StreamTransportInstance | winston.transports.FileTransportInstance;

function transportsOf(options: LoggerOptions): Transport[] {
  const transports: Transport[] = [];
  if (options.standardError ?? true) {
    transports.push(new winston.transports.Stream({ stream: process.stderr }));
  }
  if (options.folder !== undefined) {
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    const file = new winston.transports.File({
      filename: join(options.folder, `${options.name ?? 'postseal'}.log`),
      maxsize: fileBytesMax,
      maxFiles: filesMax,
      tailable: true,
      options: { flags: 'a', mode: 0o600 },
    });
    file.on('error', () => undefined);
    transports.push(file);
  }
  if (transports.length === 0) {
    transports.push(new winston.transports.Stream({ stream: process.stderr, silent: true }));
  }
  return transports;
}

function wrap(logger: winston.Logger, inherited: LogFields): Log {
  const write =
    (level: LogLevel) =>
    (event: LogEvent, fields: LogFields = {}): void => {
      if (!logger.isLevelEnabled(level)) return;
      logger.log({
        level,
        message: event,
        at: new Date().toISOString(),
        fields: redactFields({ ...inherited, ...fields }),
      });
    };
  return {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: write('debug'),
    child: (fields) => wrap(logger, { ...inherited, ...fields }),
  };
}

/** Time, level and event first: a line is read from the left. */
function orderEntry(entry: winston.Logform.TransformableInfo): Record<string, unknown> {
  const { at, level, message, fields } = entry;
  return { at, level, event: message, ...(fields as Record<string, unknown>) };
}

function closeLogger(logger: winston.Logger): Promise<void> {
  return new Promise((resolve) => {
    // The logger finishes before its file does; the file's own end is what counts.
    const files = logger.transports.filter((transport) => 'filename' in transport);
    let open = files.length;
    if (open === 0) {
      logger.once('finish', resolve);
    } else {
      for (const file of files) {
        file.once('finish', () => {
          open -= 1;
          if (open === 0) resolve();
        });
      }
    }
    logger.end();
  });
}
