import { spawnSync } from 'node:child_process';

/** Thrown by a check that found something: its text is what a person needs to mend it. */
export class CheckFailed extends Error {}

/** Runs a tool of node_modules/.bin with the terminal's output. @throws CheckFailed when it does not end with 0 */
export function runTool(tool: string, args: readonly string[]): void {
  const { status, error } = spawnSync(tool, args, { stdio: 'inherit' });
  if (error !== undefined) throw new CheckFailed(`${tool} could not be started: ${error.message}`);
  if (status !== 0) throw new CheckFailed(`${tool} ended with ${status}`);
}
