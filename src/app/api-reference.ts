// docs/reference/api.md, written from the route table of the composition, so that the page cannot lie.
import type { Route } from '../access/routes/route.ts';
import { allRoutes, type RoutesDeps } from './routes.ts';

/** Making the table calls none of its handlers, so nothing needs to stand behind them here. */
function tableOnly(): readonly Route[] {
  const inert: Partial<RoutesDeps> = {};
  return allRoutes(inert as RoutesDeps);
}

function callers({ access, beforePasswordChange }: Route): string {
  const who =
    typeof access === 'string'
      ? access
      : [...new Set(access)].map((role) => `\`${role}\``).join(', ');
  return beforePasswordChange === true ? `${who}, also with a one-time password` : who;
}

function members({ input }: Route): string {
  const properties = Object.keys((input['properties'] ?? {}) as object);
  const required = (input['required'] ?? []) as readonly string[];
  const names = properties.map((name) => `\`${name}${required.includes(name) ? '' : '?'}\``);
  return names.length === 0 ? '–' : names.join(' ');
}

/** The whole page, as Markdown. */
export function apiReference(): string {
  const rows = tableOnly().map((route) => {
    const request = `\`${route.method} ${route.path}\``;
    const body = route.body === 'stream' ? ' and raw bytes' : '';
    return `| \`${route.name}\` | ${request} | ${callers(route)} | ${members(route)}${body} | ${route.summary} |`;
  });
  return `${[
    '# API',
    '',
    'Generated from the route table (`src/app/routes.ts`) by `npm run docs`; do not edit.',
    '',
    'HTTP on the Unix socket `api.sock` in the run folder of the home, below `/api/v1`; the command line is a',
    'client of it. `Authorization: Bearer TOKEN` names the session that `person.login` opened. Path parameters,',
    'query and JSON body are checked together as one object; unknown members are refused. Errors are',
    '`application/problem+json` with a code of [errors.md](errors.md). A call without the role is refused and',
    'recorded as `access.denied`.',
    '',
    '| route | request | who may | input | does |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n')}\n`;
}
