/** Version 4: since which epoch the times of the log are right, and the last event of each epoch that ended because its key was revoked. Opening an epoch clears the outbox. */
export const lastWords = `
CREATE TABLE rescind_last_words (
  epoch TEXT PRIMARY KEY,
  jws TEXT NOT NULL,
  sent INTEGER NOT NULL DEFAULT 0
) STRICT;
ALTER TABLE rescind_meta ADD COLUMN time_since TEXT;
`;
