// The base subject (RFC 5256 §2.1), by which SORT and THREAD=ORDEREDSUBJECT compare.

const trailer = /\(fwd\)$/iu;
const blob = /^\[[^[\]]*\] ?/u;
const reply = /^(?:re|fwd?) ?(?:\[[^[\]]*\] ?)?:/iu;

export interface BaseSubject {
  /** The base subject in its own case; compare case-insensitively. */
  readonly text: string;
  readonly isReply: boolean;
}

/** Takes the decoded subject (step 1 of the RFC is `decodeHeaderText`). Linear: each step shortens. */
export function baseSubject(subject: string): BaseSubject {
  let text = subject.replace(/\s+/gu, ' ').trim();
  let isReply = false;
  for (;;) {
    // Step 2: trailing "(fwd)" and blanks.
    while (trailer.test(text)) {
      text = text.slice(0, -5).trimEnd();
      isReply = true;
    }
    // Steps 3 to 5: leading "Re:" and "[blob]", as long as a base remains.
    const before = text;
    const stripped = stripLeaders(text);
    if (stripped !== null) {
      text = stripped.text;
      isReply ||= stripped.isReply;
    }
    if (text !== before) continue;
    // Step 6: "[fwd: … ]" around everything.
    if (/^\[fwd:.*\]$/iu.test(text)) {
      text = text.slice(5, -1).trim();
      isReply = true;
      continue;
    }
    return { text, isReply };
  }
}

function stripLeaders(text: string): { text: string; isReply: boolean } | null {
  let rest = text;
  for (let match = blob.exec(rest); match !== null; match = blob.exec(rest)) {
    rest = rest.slice(match[0].length);
  }
  const leader = reply.exec(rest);
  if (leader !== null) return { text: rest.slice(leader[0].length).trimStart(), isReply: true };
  const single = blob.exec(text);
  if (single === null) return null;
  const after = text.slice(single[0].length);
  return after.trim() === '' ? null : { text: after, isReply: false };
}
