export { bearerChallenge as challengeOf } from '@rescind/revocation/http';
