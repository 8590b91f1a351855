import { z } from 'zod';

/** What is known of a setting beside its parser: for messages and for docs/configuration.md. */
export interface SettingMeta {
  readonly kind: string;
  readonly about: string;
  /** What would be right, after "must be". */
  readonly accepts: string;
  /** As it would be written in the environment. */
  readonly default?: string;
  readonly required: boolean;
  /** Its value is never printed. */
  readonly hidden: boolean;
  /** May also be given as NAME_FILE: the path of a file that holds it. */
  readonly fromFile: boolean;
  /** Variables that must be given when this one is. */
  readonly needs: readonly string[];
}

export const settingRegistry = z.registry<SettingMeta>();

/** One parser a variable, by the variable's name. */
export type Settings = z.ZodObject<Record<string, z.ZodType>>;

/** @throws TypeError when the schema has a member that is not made by `setting` */
export function metaOf(settings: Settings, name: string): SettingMeta {
  const schema = settings.shape[name];
  const meta = schema === undefined ? undefined : settingRegistry.get(schema);
  if (meta === undefined) throw new TypeError(`${name} must be made by one of the functions of \`setting\``);
  return meta;
}
