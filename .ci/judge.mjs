// Judges a run by .ci/budget.json: failures, skips and minutes per room. One line a finding, exit 1 if there
// is one. A room's minutes are the run times of its suites, added up. The budget of a room is about twice
// what it takes on two quiet cores, so that noise passes; there is no further allowance.
import { existsSync, readFileSync } from 'node:fs';

const budget = JSON.parse(readFileSync(new URL('budget.json', import.meta.url), 'utf8'));
const [file = ''] = process.argv.slice(2);
const findings = [];

const given = Object.values(budget.minutesPerRoom).reduce((sum, minutes) => sum + minutes, 0);
if (given > budget.minutesTotal) {
  findings.push(`the rooms' budgets are ${given} minutes together, over ${budget.minutesTotal}`);
}

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
  for (const [room, ms] of Object.entries(rooms)) {
    const minutes = ms / 60_000;
    const allowed = budget.minutesPerRoom[room];
    const took = `${room} took ${minutes.toFixed(2)} minutes`;
    if (allowed === undefined) findings.push(`${took}, it has no budget`);
    else if (minutes > allowed) findings.push(`${took}, its budget is ${allowed}`);
    else process.stdout.write(`ci: ${took} of ${allowed}\n`);
  }
}

for (const finding of findings) process.stdout.write(`ci: FINDING: ${finding}\n`);
process.exitCode = findings.length === 0 ? 0 : 1;
