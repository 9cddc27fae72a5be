// Judges a run by .ci/budget.json: skips and minutes per room. One line a finding, exit 1 if there is one.
// Machines are noisy neighbours: what is over its minutes is told at once, and fails at twice as much.
import { existsSync, readFileSync } from 'node:fs';

const budget = JSON.parse(readFileSync(new URL('budget.json', import.meta.url), 'utf8'));
const [file = ''] = process.argv.slice(2);
const findings = [];
const notices = [];
const overrun = (minutes, allowed) => (minutes > 2 * allowed ? findings : notices);

if (!existsSync(file)) {
  findings.push('the suite did not come to its end');
} else {
  const { failed, skipped, rooms } = JSON.parse(readFileSync(file, 'utf8'));
  if (failed > 0) findings.push(`${failed} failed`);
  for (const name of skipped) {
    if (!budget.skipsAllowed.some((allowed) => name.includes(allowed))) {
      findings.push(`skipped: ${name}`);
    }
  }
  let total = 0;
  for (const [room, ms] of Object.entries(rooms)) {
    const minutes = ms / 60_000;
    const allowed = budget.minutesPerRoom[room] ?? budget.minutesOtherRoom;
    total += minutes;
    if (minutes > allowed) {
      overrun(minutes, allowed).push(
        `${room} took ${minutes.toFixed(1)} minutes, its budget is ${allowed}`,
      );
    }
  }
  if (total > budget.minutesTotal) {
    overrun(total, budget.minutesTotal).push(
      `all rooms took ${total.toFixed(1)} minutes, the budget is ${budget.minutesTotal}`,
    );
  }
}

for (const notice of notices) process.stdout.write(`ci: notice: ${notice}\n`);
for (const finding of findings) process.stdout.write(`ci: ${finding}\n`);
process.exitCode = findings.length === 0 ? 0 : 1;
