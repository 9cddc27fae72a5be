// Bounds of one row of change_log: what a reader parses without giving other sessions a turn.

/** Messages in one row. */
export const logPartSize = 8_192;
