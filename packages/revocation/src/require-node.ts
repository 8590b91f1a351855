import { nodeVersionProblem } from './node-version.js';

// Evaluated before every other module of the packages: an older version would end with a segmentation fault in SQLite, or with
// a syntax error, where something else strips the types.
const problem = nodeVersionProblem(process.versions.node);
if (problem !== undefined) throw new Error(problem);
