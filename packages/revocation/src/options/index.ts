import '../require-node.ts';

export type { NumberBounds, OptionCheck } from './checks.ts';
export { option, optionError } from './checks.ts';
export type { OptionShape, OptionsCheck, RequiredOption } from './closed.ts';
export { checkedOnce, optionsOf, required } from './closed.ts';
