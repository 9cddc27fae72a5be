// Started with core dumps allowed: forbids them, and then tells its own limit, that of a child, and what it was told.
import { execFileSync } from 'node:child_process';
import { forbidCoreDumps } from '../../src/app/core-dumps.ts';
import { coreDumpBytes } from '../../src/operate/doctor/core-dump-check.ts';

const before = coreDumpBytes('self');
process.stdout.write(`${JSON.stringify({ pid: process.pid, before })}\n`);
forbidCoreDumps();
const child = execFileSync('/bin/sh', ['-c', 'ulimit -c; ulimit -H -c'], { encoding: 'utf8' });
const own = coreDumpBytes('self');
const result = {
  pid: process.pid,
  own,
  child: child.trim().split('\n'),
  argument: process.argv[2],
};
process.stdout.write(`${JSON.stringify(result)}\n`);
