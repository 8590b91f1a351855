type Json = Record<string, unknown>;

/** Character properties and look-arounds: many languages do not support them and refuse the pattern. */
const UNPORTABLE_PATTERN = /\\p\{|\\P\{|\(\?[=!<]/;
/** Without a format, generators use integers of 32 bits, which milliseconds overflow. */
const MAX_INT32 = 2 ** 31 - 1;

/** Members whose values are not schemas, and members whose values are schemas by arbitrary names. */
const VALUES: ReadonlySet<string> = new Set(['const', 'default', 'enum', 'examples', 'required']);
const NAMED: ReadonlySet<string> = new Set(['$defs', 'patternProperties', 'properties']);

/**
 * Rewrites a JSON Schema 2020-12 into forms that generators of clients support: nullable values by a list of types, a constant by a list
 * of values, long integers by their format, and no pattern that only ECMAScript supports.
 */
export function portableSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(portableSchema);
  if (!isObject(schema)) return schema;
  const inner = mapped(schema, (value, name) => {
    if (VALUES.has(name)) return value;
    return NAMED.has(name) && isObject(value) ? mapped(value, portableSchema) : portableSchema(value);
  });
  return [nullByType, valuesByEnum, integersByFormat, patternsOfAll, withoutPlainNames].reduce(
    (each: Json, step) => step(each),
    inner,
  );
}

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

function mapped(object: Json, change: (value: unknown, name: string) => unknown): Json {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value, name)]));
}

/** Rewrites `anyOf: [X, null]` as `type: [X, "null"]`. */
function nullByType(schema: Json): Json {
  const { anyOf, ...rest } = schema;
  if (!Array.isArray(anyOf) || anyOf.length !== 2) return schema;
  const other: Json = anyOf.find(({ type }) => type !== 'null') ?? {};
  const isNullable = anyOf.some(({ type }) => type === 'null');
  if (!isNullable || typeof other.type !== 'string') return schema;
  const values = Array.isArray(other.enum) ? { enum: [...other.enum, null] } : {};
  return { ...other, ...rest, type: [other.type, 'null'], ...values };
}

/** Rewrites a constant as a list of values; a constant boolean as any boolean, since most languages have no enumeration of booleans. */
function valuesByEnum(schema: Json): Json {
  if (!('const' in schema)) return schema;
  const { const: value, ...rest } = schema;
  return typeof value === 'boolean' ? { ...rest, type: 'boolean' } : { ...rest, enum: [value] };
}

function integersByFormat(schema: Json): Json {
  const { type, format, maximum } = schema;
  const isInteger = [type].flat().includes('integer');
  const isLong = isInteger && format === undefined && (typeof maximum !== 'number' || maximum > MAX_INT32);
  return isLong ? { ...schema, format: 'int64' } : schema;
}

/** Moves a pattern that is not portable, such as `^\p{L}+$`, to the description. */
function patternsOfAll(schema: Json): Json {
  const { pattern, ...rest } = schema;
  if (typeof pattern !== 'string' || !UNPORTABLE_PATTERN.test(pattern)) return schema;
  const { description } = rest;
  const sentence = `Of the form \`${pattern}\` (ECMAScript)`;
  return { ...rest, description: typeof description === 'string' ? `${description}. ${sentence}` : sentence };
}

/** Removes `propertyNames: { type: string }`, which constrains nothing. */
function withoutPlainNames(schema: Json): Json {
  const { propertyNames, ...rest } = schema;
  return JSON.stringify(propertyNames) === '{"type":"string"}' ? rest : schema;
}
