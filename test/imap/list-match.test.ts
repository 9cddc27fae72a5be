// Which folders LIST and LSUB name, and how (RFC 9051 §6.3.9, RFC 5258, RFC 3501 §6.3.9).
import { describe, expect, test } from '@jest/globals';
import { type ListQuery, matchList, matchLsub } from '../../src/imap/list-match.ts';
import type { MailboxId } from '../../src/kernel/ids.ts';
import type { FolderInfo } from '../../src/mailbox/types.ts';

const folder = (name: string, more: Partial<FolderInfo> = {}): FolderInfo => ({
  id: name as MailboxId,
  name,
  specialUse: undefined,
  subscribed: false,
  hasChildren: false,
  ...more,
});

const folders = [
  folder('INBOX', { subscribed: true, hasChildren: true }),
  folder('INBOX/a'),
  folder('Sent', { specialUse: '\\Sent', subscribed: true }),
  folder('gone', { id: undefined, subscribed: true }),
  folder('p', { id: undefined, hasChildren: true }),
  folder('p/q', { subscribed: true, hasChildren: true }),
  folder('p/q/r', { subscribed: true }),
];

const plain: ListQuery = {
  reference: '',
  patterns: ['*'],
  subscribed: false,
  specialUse: false,
  recursiveMatch: false,
  tellSubscribed: false,
};

const list = (query: Partial<ListQuery>): string[] =>
  matchList(folders, { ...plain, ...query }).map(
    ({ name, attributes, childInfo }) =>
      `${name} ${attributes.join(' ')}${childInfo === true ? ' +' : ''}`,
  );

describe('matchList', () => {
  test('names mailboxes and missing parents, not what is only subscribed', () => {
    expect(list({})).toEqual([
      'INBOX \\HasChildren',
      'INBOX/a \\HasNoChildren',
      'Sent \\HasNoChildren \\Sent',
      'p \\NonExistent \\Noselect \\HasChildren',
      'p/q \\HasChildren',
      'p/q/r \\HasNoChildren',
    ]);
  });

  test('joins reference and pattern, and takes a leading separator as absolute', () => {
    expect(list({ reference: 'p/', patterns: ['%'] })).toEqual(['p/q \\HasChildren']);
    expect(list({ reference: 'p/', patterns: ['/Sent'] })).toEqual(['Sent \\HasNoChildren \\Sent']);
  });

  test('several patterns name a folder once', () => {
    expect(list({ patterns: ['inbox', 'INB%'] })).toEqual(['INBOX \\HasChildren']);
  });

  test('SUBSCRIBED names subscribed names that do not exist', () => {
    expect(list({ subscribed: true, tellSubscribed: true, patterns: ['%'] })).toEqual([
      'INBOX \\HasChildren \\Subscribed',
      'Sent \\HasNoChildren \\Subscribed \\Sent',
      'gone \\NonExistent \\Noselect \\HasNoChildren \\Subscribed',
    ]);
  });

  test('RECURSIVEMATCH names parents of what would match below', () => {
    const query = {
      subscribed: true,
      tellSubscribed: true,
      recursiveMatch: true,
      patterns: ['p%'],
    };
    expect(list(query)).toEqual(['p \\NonExistent \\Noselect \\HasChildren +']);
    expect(list({ ...query, patterns: ['p/%'] })).toEqual(['p/q \\HasChildren \\Subscribed +']);
  });

  test('SPECIAL-USE names only folders with a use', () => {
    expect(list({ specialUse: true })).toEqual(['Sent \\HasNoChildren \\Sent']);
  });
});

describe('matchLsub', () => {
  const lsub = (pattern: string): string[] =>
    matchLsub(folders, '', pattern).map(
      ({ name, attributes }) => `${name} ${attributes.join(' ')}`,
    );

  test('names what is subscribed, with special uses for Outlook', () => {
    expect(lsub('*')).toEqual([
      'INBOX \\HasChildren',
      'Sent \\HasNoChildren \\Sent',
      'gone \\NonExistent \\Noselect \\HasNoChildren',
      'p/q \\HasChildren',
      'p/q/r \\HasNoChildren',
    ]);
  });

  test('for % names the parent of a subscribed name as \\Noselect', () => {
    expect(lsub('%')).toContain('p \\Noselect \\HasChildren');
  });
});
