import type { Admin, Json } from './admin.ts';
import { CliError } from './errors.ts';

/** A shorter beginning of an id selects too many. */
const LEAST_PREFIX = 8;
/** How many of the newest items are searched for a beginning of an id. */
const MAX_SEARCHED = 10_000;
const MAX_CANDIDATES = 5;

const isNotFound = (error: unknown) => error instanceof CliError && error.exit === 'not_found';

interface Lookup {
  /** Such as `session`, for messages. */
  readonly what: string;
  /** Such as `/admin/sessions`. */
  readonly path: string;
  /** The member that is the id. */
  readonly member: string;
  readonly query?: Readonly<Record<string, string>>;
}

/**
 * Finds one item by its id, or by the first 8 or more characters of it.
 * @throws CliError `not_found`, `id_ambiguous`
 */
export async function findById(admin: Admin, id: string, { what, path, member, query = {} }: Lookup): Promise<Json> {
  try {
    return await admin.get(`${path}/${encodeURIComponent(id)}`);
  } catch (error) {
    if (!isNotFound(error) || id.length < LEAST_PREFIX) throw error;
  }
  const found: Json[] = [];
  for await (const item of admin.list(path, query, MAX_SEARCHED)) {
    if (String(item[member]).startsWith(id)) found.push(item);
    if (found.length > MAX_CANDIDATES) break;
  }
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first;
  if (first === undefined)
    throw new CliError('not_found', 'not_found', `There is no ${what} ${id} among the newest ${MAX_SEARCHED}`);
  const candidates = found.map((item) => String(item[member])).join(', ');
  throw new CliError('usage', 'id_ambiguous', `${id} is the beginning of more than one ${what}: ${candidates}`);
}

/** A user by name, by `sub`, or by the beginning of a `sub`. @throws CliError `not_found`, `id_ambiguous` */
export async function findUser(admin: Admin, user: string): Promise<Json> {
  const named = await admin.get('/admin/users', { username: user }).catch((error: unknown) => {
    // A `sub` may be longer than a name may be.
    if (error instanceof CliError && error.exit === 'usage') return { items: [] };
    throw error;
  });
  const [first] = Array.isArray(named.items) ? (named.items as Json[]) : [];
  return first ?? findById(admin, user, { what: 'user', path: '/admin/users', member: 'sub' });
}
