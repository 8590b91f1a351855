// Loaded into a process with --import: the step, the start of a file's name and `kill` or `throw`, of FAILING_FILES, as
// `failFiles` takes them.
import { failFiles } from './failing-files.ts';

const [step, name, how] = process.env.FAILING_FILES.split(' ');
failFiles(step, name, how === 'kill');
