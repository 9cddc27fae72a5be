// Every workload of the comparison, in the order in which it runs.
import { append } from './append.ts';
import { firstSearch } from './first-search.ts';
import {
  fetchBodies,
  fetchHeaders,
  searchBody,
  selectSync,
  storeFlags,
} from './mailbox-commands.ts';
import { lmtpDelivery } from './lmtp-delivery.ts';
import { login, loginTls } from './login.ts';
import { mix } from './mix.ts';
import { resync } from './resync.ts';

export const workloads = [
  append,
  login,
  loginTls,
  selectSync,
  fetchHeaders,
  fetchBodies,
  storeFlags,
  searchBody,
  firstSearch,
  resync,
  mix,
  // Last, since it makes every INBOX grow, and the faster server's more.
  lmtpDelivery,
] as const;
