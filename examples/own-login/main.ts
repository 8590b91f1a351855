import { openLoginService } from './login-service.ts';

const port = Number(process.env.PORT ?? 4000);
const service = await openLoginService({
  url: process.env.ISSUER ?? `http://localhost:${port}`,
  databasePath: process.env.DATABASE_PATH ?? '.data/own-login/login.sqlite',
  keysPath: process.env.KEYS_PATH ?? '.data/own-login/keys',
  brokers: process.env.KAFKA_BROKERS?.split(','),
  feedClients: JSON.parse(process.env.FEED_CLIENTS ?? '{}'),
});
// `FIRST_USER='ada@example.com secret words'`: a first user.
if (process.env.FIRST_USER !== undefined) {
  const [email = '', ...words] = process.env.FIRST_USER.split(' ');
  const password = words.join(' ');
  if ((await service.users.verify(email, password)) === undefined) await service.users.add(email, password);
}
const server = service.app.listen(port, () => console.log(`listening on ${port}`));
process.once('SIGTERM', () => {
  server.close(() => void service.close());
  server.closeAllConnections();
});
