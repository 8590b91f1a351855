import type { Command } from 'commander';
import { Argument } from 'commander';
import type { Register } from '../context.ts';

/** The words that may follow each command: its commands and its long options. They are fixed, so that no key press asks the network. */
function wordsOf(program: Command): readonly (readonly [path: string, words: string])[] {
  const global = program.options.flatMap(({ long }) => long ?? []);
  const walk = (command: Command, path: string): (readonly [string, string])[] => {
    const own = command.options.flatMap(({ long }) => long ?? []);
    const names = command.commands.map((one) => one.name());
    const choices = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
    const words = [...new Set([...names, ...choices, ...own, ...global, '--help'])].join(' ');
    return [[path, words], ...command.commands.flatMap((one) => walk(one, `${path} ${one.name()}`.trim()))];
  };
  return walk(program, '');
}

/** The function `_rescind_words`, alike in both shells: it sets `rescind_words` to what may follow a command, and fails for what is none. */
function wordsFunction(program: Command): string {
  const cases = wordsOf(program).map(([path, words]) => `    '${path}') rescind_words='${words}' ;;`);
  return `_rescind_words() {
  case "$1" in
${cases.join('\n')}
    *) return 1 ;;
  esac
}`;
}

/** @param before the words between `rescind` and the one that is completed, as an expansion of the shell */
const findsWords = (before: string) => `  local at='' rescind_words='' word
  for word in "${before}"; do
    case "$word" in -*) ;; *) _rescind_words "\${at:+$at }$word" && at="\${at:+$at }$word" ;; esac
  done
  _rescind_words "$at"`;

const bashScript = (program: Command): string => `# rescind completion bash > /etc/bash_completion.d/rescind
${wordsFunction(program)}
_rescind() {
${findsWords(`\${COMP_WORDS[@]:1:COMP_CWORD-1}`)}
  COMPREPLY=($(compgen -W "$rescind_words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _rescind rescind
`;

/** Of the completion system of zsh itself: its `words` and `path` are special, and its slices are not those of bash. */
const zshScript = (program: Command): string => `#compdef rescind
# rescind completion zsh > "\${fpath[1]}/_rescind", or source <(rescind completion zsh) after compinit
${wordsFunction(program)}
_rescind() {
${findsWords(`\${(@)words[2,CURRENT-1]}`)}
  compadd -- \${=rescind_words} || _files
}
if [ "\${funcstack[1]}" = _rescind ]; then _rescind "$@"; else compdef _rescind rescind; fi
`;

/** `rescind completion`. */
export const registerCompletion: Register = (program, run) => {
  program
    .command('completion')
    .description('print the script that completes commands and options')
    .addArgument(new Argument('<shell>', 'bash or zsh').choices(['bash', 'zsh']))
    .action(
      run(async ({ host, output }, shell: string) => {
        const script = shell === 'bash' ? bashScript(program) : zshScript(program);
        if (output.isJson) output.line(script, { shell, script });
        else host.stdout.write(script);
        return undefined;
      }),
    );
};
