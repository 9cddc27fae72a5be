// The messages of a stored home, all made up here.
import { brotliCompressSync } from 'node:zlib';

const lines = (...text: readonly string[]): Buffer => Buffer.from(`${text.join('\r\n')}\r\n`);

export const plain = lines(
  'From: Sender <sender@example.org>',
  'To: ann@example.com',
  'Subject: A plain message',
  'Date: Tue, 3 Mar 2026 10:00:00 +0100',
  'Message-ID: <plain@example.org>',
  '',
  'Hello Ann,',
  '.a line that begins with a dot',
  'and the end.',
);

export const withAttachment = lines(
  'From: "Büro, Zentrale" <office@example.org>',
  'To: Ann <ann@example.com>, ben@example.com',
  'Cc: undisclosed-recipients:;',
  'Subject: =?ISO-8859-1?Q?Vertr=E4ge?= and =?UTF-8?B?0LTQvtCz0L7QstC+0YA=?=',
  'Date: Wed, 4 Mar 2026 11:30:00 +0000',
  'Message-ID: <attachment@example.org>',
  'In-Reply-To: <plain@example.org>',
  'References: <plain@example.org>',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary="=_outer"',
  '',
  'Preamble.',
  '--=_outer',
  'Content-Type: multipart/alternative; boundary=inner',
  '',
  '--inner',
  'Content-Type: text/plain; charset=utf-8; format=flowed',
  'Content-Transfer-Encoding: 8bit',
  '',
  'Grüße aus dem Büro.',
  '--inner',
  'Content-Type: text/html; charset=iso-8859-1',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  '<p>Gr=FC=DFe</p>',
  '--inner--',
  '--=_outer',
  "Content-Type: application/octet-stream; name*=utf-8''Vertr%C3%A4ge.bin",
  "Content-Disposition: attachment; filename*0*=utf-8''Vertr%C3%A4; filename*1=ge.bin",
  'Content-Transfer-Encoding: base64',
  'Content-ID: <part@example.org>',
  'Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==',
  '',
  brotliCompressSync(Buffer.from('an attachment '.repeat(64))).toString('base64'),
  '--=_outer',
  'Content-Type: message/rfc822',
  '',
  'From: deep@example.org',
  'Subject: a message within',
  '',
  'Inside.',
  '--=_outer--',
);

/** Over the size where sealing goes by the stream path, and its pack is its own; shrinks to almost nothing. */
export const large = lines(
  'From: reports@example.org',
  'To: ann@example.com',
  'Subject: A large report',
  'Date: Thu, 5 Mar 2026 02:00:00 -0800',
  'Message-ID: <large@example.org>',
  'Content-Type: text/csv; charset=us-ascii',
  '',
  ...Array.from({ length: 40_000 }, (_, row) => `2026-03-05,line ${row % 100},nothing to report`),
);

export const chinese = lines(
  'From: =?UTF-8?B?546L5bCP5piO?= <wang@example.org>',
  'To: ben@example.com',
  'Subject: 关于归档的会议 (raw UTF-8)',
  'Date: Fri, 6 Mar 2026 16:45:00 +0800',
  'Message-ID: <chinese@example.org>',
  'Content-Type: text/plain; charset=gb18030',
  'Content-Transfer-Encoding: base64',
  '',
  'xOO6w6Osw/fM7Lz7oaM=',
);

export const toBoth = lines(
  'From: all@example.org',
  'To: ann@example.com, ben@example.com',
  'Subject: The same for two',
  'Date: Sat, 7 Mar 2026 08:00:00 +0000',
  'Message-ID: <both@example.org>',
  '',
  'Stored once.',
);

/** No SMTP carries this: bare LF, bare CR, NUL, octets of no charset, a header that breaks off. */
export const malformed = Buffer.concat([
  Buffer.from('From: broken\nSubject: bare \r lines\nX-Nul: a\0b\nno colon here\r\n'),
  Buffer.from('Content-Type: multipart/mixed; boundary="never\n\n'),
  Buffer.from([0x00, 0xff, 0xfe, 0x0a, 0x0d, 0x80, 0x00]),
  Buffer.from('--never\nand no end'),
]);

export const imported = lines(
  'From: old@example.org',
  'To: ann@example.com',
  'Subject: From an old mailbox',
  'Date: Mon, 1 Jan 2001 00:00:00 +0000',
  'Message-ID: <imported@example.org>',
  '',
  'Imported.',
);

export const draft = lines('From: ann@example.com', 'Subject: Not finished', '', 'To be');

export const passing = lines('From: noise@example.org', 'Subject: Will be expunged', '', 'Gone.');

export const inDeletedFolder = lines(
  'From: x@example.org',
  'Subject: Folder goes',
  '',
  'Gone too.',
);
