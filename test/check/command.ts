import { spawnSync } from 'node:child_process';

/** Thrown by a check that found a fault; the message states how to correct it. */
export class CheckFailed extends Error {}

/** Runs a tool of node_modules/.bin; its output goes to the terminal. @throws CheckFailed when it does not end with 0 */
export function runTool(tool: string, args: readonly string[]): void {
  const { status, error } = spawnSync(tool, args, { stdio: 'inherit' });
  if (error !== undefined) throw new CheckFailed(`${tool} could not be started: ${error.message}`);
  if (status !== 0) throw new CheckFailed(`${tool} ended with ${status}`);
}
