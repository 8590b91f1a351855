import type { Admin, Json } from './admin.ts';
import { itemsOf } from './admin.ts';
import { CliError, usage } from './errors.ts';

/** A shorter beginning of an id selects too many. */
const LEAST_PREFIX = 8;
/** How many of the newest items are searched for a beginning of an id. */
const MAX_SEARCHED = 10_000;
const MAX_CANDIDATES = 5;

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
export async function findById(admin: Admin, id: string, lookup: Lookup): Promise<Json> {
  try {
    return await admin.get(pathOf(lookup, id));
  } catch (error) {
    if (!(error instanceof CliError) || error.exit !== 'not_found') throw error;
    return findByPrefix(admin, id, lookup, error.requestId);
  }
}

const pathOf = ({ path }: Lookup, id: string) => `${path}/${encodeURIComponent(id)}`;

/** A `sub` may be longer than a name may be, which is a wrong request. */
const absentAsUndefined = (answer: Promise<Json>): Promise<Json | undefined> =>
  answer.catch((error: unknown) => {
    if (error instanceof CliError && (error.exit === 'not_found' || error.exit === 'usage')) return undefined;
    throw error;
  });

async function findByPrefix(admin: Admin, id: string, lookup: Lookup, requestId?: string): Promise<Json> {
  const { what, path, member, query = {} } = lookup;
  const missing = (where: string) =>
    new CliError('not_found', 'not_found', `There is no ${what} ${id}${where}`, { requestId });
  if (id.length < LEAST_PREFIX) throw missing(`; the beginning of an id has at least ${LEAST_PREFIX} characters`);
  const found: Json[] = [];
  for await (const item of admin.list(path, query, MAX_SEARCHED)) {
    if (String(item[member]).startsWith(id)) found.push(item);
    if (found.length > MAX_CANDIDATES) break;
  }
  const [first, second] = found;
  if (first === undefined) throw missing(` among the newest ${MAX_SEARCHED}`);
  // An item of a list may lack members of its own page.
  if (second === undefined) return admin.get(pathOf(lookup, String(first[member])));
  throw ambiguous(
    id,
    what,
    found.map((item) => String(item[member])),
  );
}

const ambiguous = (id: string, what: string, candidates: readonly string[]) =>
  new CliError('usage', 'id_ambiguous', `${id} is more than one ${what}: ${candidates.join(', ')}`);

const SESSION: Lookup = { what: 'session', path: '/admin/sessions', member: 'sid', query: { ended: 'true' } };
const USER: Lookup = { what: 'user', path: '/admin/users', member: 'sub' };

/** A session, also one that has ended, by its id or by the beginning of it. @throws CliError `not_found`, `id_ambiguous` */
export const findSession = (admin: Admin, sid: string): Promise<Json> => findById(admin, sid, SESSION);

/** Characters of the id of a session: 16 bytes as base64url. */
const SID_LENGTH = 22;

/** The id of a session. A complete one may be of a session that is not kept any more. @throws CliError `not_found`, `id_ambiguous` */
export async function findSid(admin: Admin, sid: string): Promise<string> {
  return sid.length >= SID_LENGTH ? sid : String((await findByPrefix(admin, sid, SESSION)).sid);
}

/**
 * A user by name, by `sub`, or by the beginning of a `sub`. Users choose their names: one may be the `sub` of another user, and is ambiguous.
 * @throws CliError `not_found`, `id_ambiguous`
 */
export async function findUser(admin: Admin, user: string): Promise<Json> {
  const [owner, named] = await Promise.all([
    absentAsUndefined(admin.get(pathOf(USER, user))),
    absentAsUndefined(admin.get(USER.path, { username: user })),
  ]);
  const [namesake] = itemsOf(named ?? {});
  if (owner !== undefined && namesake !== undefined && owner.sub !== namesake.sub) {
    throw ambiguous(user, 'user', [`the sub ${owner.sub}`, `the name of ${namesake.sub}`]);
  }
  return owner ?? namesake ?? findByPrefix(admin, user, USER);
}

/** The options by which a user is selected. */
interface UserFlags {
  readonly user?: string | undefined;
  readonly sub?: string | undefined;
}

/**
 * The `sub` of `--user`, which is found, or of `--sub`, which is taken as it is; undefined without either.
 * @throws CliError `usage` for both; `not_found`, `id_ambiguous`
 */
export async function findSub(admin: Admin, { user, sub }: UserFlags): Promise<string | undefined> {
  if (user === undefined) return sub;
  if (sub !== undefined) throw usage('Only one of --user and --sub');
  return String((await findUser(admin, user)).sub);
}
