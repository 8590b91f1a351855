import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { openUserManagement } from '../../support/user-management.ts';

const password = 'correct horse battery';

describe('a name that resembles a registered one', () => {
  test.each([
    ['another case', 'Scope', 'sCOPE'],
    ['a whole script that looks like another', 'scope', 'ѕсоре'],
    ['one letter of another script', 'scope', 'scоpe'],
    ['letters and digits', 'paul1', 'pauI1'],
    ['a capital that looks like a small letter', 'lan', 'Ian'],
    ['two letters that look like one', 'morning', 'rnorning'],
    ['fullwidth letters', 'scope', 'ｓｃｏｐｅ'],
    ['a ligature', 'fit', 'ﬁt'],
    ['a letter without its dot', 'maxim', 'maxım'],
    ['mathematical letters', 'ada', '𝐚𝐝𝐚'],
    ['a sharp s', 'strasse', 'straße'],
    ['Cherokee capitals', 'SALE', 'ᏚᎪᏞᎬ'],
    ['zero for O', 'BOB', 'B0B'],
  ])('by %s is refused: %s, %s', async (_how, first, second) => {
    for (const [taken, like] of [
      [first, second],
      [second, first],
    ]) {
      const { register } = await openUserManagement();
      expect((await register({ username: taken, password })).status).toBe(201);
      const refused = await register({ username: like, password });
      expect([taken, refused.status, refused.body.code]).toEqual([taken, 409, 'username_taken']);
    }
  });

  test.each([
    ['a grapheme joiner', 'ad\u034fa'],
    ['a Hangul filler', 'ada\u3164'],
    ['a variation selector', 'ada\ufe0f'],
    ['a Khmer vowel that is not shown', 'ada\u17b4'],
    ['a zero-width joiner', 'ad\u200da'],
    ['a soft hyphen', 'ad\u00ada'],
    ['a control of direction', '\u202eada'],
    ['half of a character', 'ada\ud800'],
  ])('by %s is refused, whether it is taken or not', async (_how, username) => {
    const { register } = await openUserManagement();
    expect((await register({ username, password })).status).toBe(400);
    await register({ username: 'ada', password });
    expect((await register({ username, password })).status).toBe(400);
  });

  test('is registered once when two similar names are sent concurrently', async () => {
    const { register } = await openUserManagement();
    const answers = await Promise.all(['scope', 'ѕсоре', 'scоpe'].map((username) => register({ username, password })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
  });

  test('is available again after the account was deleted', async () => {
    const service = await openUserManagement();
    await service.register({ username: 'scope', password });
    const { access } = await service.login({ username: 'scope', password });
    const headers = { 'Content-Type': 'application/json', ...service.asBearer(access) };
    const body = JSON.stringify({ password });
    expect((await service.send('/account', { method: 'DELETE', headers, body })).status).toBe(204);
    expect((await service.register({ username: 'ѕсоре', password })).status).toBe(201);
  });

  test('remains with accounts of an older version, which log in as before, and is refused to others', async () => {
    const before = await openUserManagement();
    for (const username of ['scope', 'other']) await before.register({ username, password });
    await before.close();
    const database = new Database(join(before.directory, 'user-management.sqlite'));
    const later = ['account_schema', 'account_name_keys', 'service_audiences', 'feed_clients', 'applied_clients'];
    for (const table of later) database.exec(`DROP TABLE ${table}`);
    database.pragma('user_version = 4');
    database
      .prepare("UPDATE accounts SET username = @name, name_key = @name WHERE username = 'other'")
      .run({ name: 'ѕсоре' });
    database.close();
    const service = await openUserManagement({ ISSUER: before.url }, before.directory);
    for (const username of ['scope', 'ѕсоре']) {
      expect((await service.post('/login', { username, password })).status).toBe(200);
    }
    expect((await service.register({ username: 'scоpe', password })).body.code).toBe('username_taken');
  });
});

describe('the name of a device', () => {
  test.each([
    ['a control that turns the direction', 'laptop \u202egpj.exe'],
    ['an isolate', 'laptop \u2066x\u2069'],
    ['a mark of direction', 'laptop\u200f'],
    ['an Arabic letter mark', 'laptop\u061c'],
    ['a zero-width space', 'lap\u200btop'],
    ['a byte order mark', '\ufefflaptop'],
    ['a soft hyphen', 'lap\u00adtop'],
    ['a Hangul filler alone', '\u3164'],
    ['tag characters', 'laptop\u{e0041}\u{e0042}'],
    ['a line separator', 'laptop\u2028x'],
    ['a line end', 'laptop\nx'],
    ['an escape', 'laptop\u001b[31m'],
    ['a C1 control', 'laptop\u009b31m'],
    ['half of a character', 'laptop\ud83d'],
    ['nothing but spaces', '   '],
    ['blank Braille', '\u2800\u2800'],
    ['65 characters', 'x'.repeat(65)],
    ['nothing', ''],
  ])('with %s is refused at login and when it is changed', async (_what, deviceName) => {
    const service = await openUserManagement();
    await service.register();
    const { access, answer } = await service.login({ deviceName: 'laptop' });
    const refused = await service.post('/login', { username: 'ada', password, deviceName });
    expect([refused.status, refused.body.code]).toEqual([400, 'request_invalid']);
    const renamed = await service.send(`/sessions/${answer.sid}`, {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/json', ...service.asBearer(access) },
      body: JSON.stringify({ deviceName }),
    });
    expect([renamed.status, renamed.body.code]).toEqual([400, 'request_invalid']);
  });

  test.each(['Ada’s laptop', 'Ноутбук Ады', 'מחשב נייד', 'كمبيوتر', '電腦 1', 'Rechner (Küche) 🖥'])(
    '%s is accepted',
    async (deviceName) => {
      const service = await openUserManagement();
      await service.register();
      const { answer } = await service.login({ deviceName });
      expect(answer.sid).toBeDefined();
    },
  );
});
