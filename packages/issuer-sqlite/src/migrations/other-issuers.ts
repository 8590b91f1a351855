/** Version 5: every other issuer about whose tokens the log ever said anything, also when that has been forgotten. */
export const otherIssuers = `
CREATE TABLE rescind_other_issuers (iss TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
INSERT INTO rescind_other_issuers (iss)
  SELECT DISTINCT iss FROM rescind_revocations WHERE iss <> (SELECT issuer FROM rescind_meta);
`;
