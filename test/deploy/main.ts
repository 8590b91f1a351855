import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/*
 * `npm run test:deploy`: validates deploy/kubernetes against the schemas of Kubernetes, which the package kubernetes-validate of PyPI
 * contains. `--strict` refuses members that no schema has, such as a misspelt one.
 */
const VERSION = '1.37.0';
const command = process.env.KUBERNETES_VALIDATE ?? 'kubernetes-validate';
if (spawnSync(command, ['--version']).status !== 0) {
  console.error(`${command} cannot be run. Install it, for instance by
  python3 -m venv .data/kubernetes && .data/kubernetes/bin/pip install kubernetes-validate==${VERSION}
and name it: KUBERNETES_VALIDATE=.data/kubernetes/bin/kubernetes-validate npm run test:deploy`);
  process.exit(64);
}

const folder = fileURLToPath(new URL('../../deploy/kubernetes', import.meta.url));
const files = globSync('*.yaml', { cwd: folder }).sort();
if (files.length === 0) throw new Error('deploy/kubernetes has no manifest');
const { status } = spawnSync(command, ['--strict', ...files], { cwd: folder, stdio: 'inherit' });
process.exitCode = status ?? 1;
