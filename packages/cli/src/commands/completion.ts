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

function bashScript(program: Command): string {
  const cases = wordsOf(program).map(([path, words]) => `    '${path}') words='${words}' ;;`);
  return `# rescind completion bash > /etc/bash_completion.d/rescind
_rescind() {
  local path='' words='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) _rescind_words "\${path:+$path }$word" && path="\${path:+$path }$word" ;; esac
  done
  _rescind_words "$path"
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
_rescind_words() {
  case "$1" in
${cases.join('\n')}
    *) return 1 ;;
  esac
}
complete -o default -F _rescind rescind
`;
}

const zshScript = (program: Command): string => `#compdef rescind
# rescind completion zsh > "\${fpath[1]}/_rescind"
autoload -U +X bashcompinit && bashcompinit
${bashScript(program)}`;

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
