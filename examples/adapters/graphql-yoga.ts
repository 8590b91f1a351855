import type { Guard } from '@rescind/guard';
import type { GuardContext } from '@rescind/guard/graphql';
import { guardContext, requireAuth } from '@rescind/guard/graphql';
import { createSchema, createYoga } from 'graphql-yoga';

const PREMIUM = { scopes: ['prices:premium'] };
const RECENT = { maxAuthAgeSeconds: 300 };

/** GraphQL Yoga: a token for each operation, and the requirements of single fields in their resolvers. */
export function createApp(guard: Guard) {
  const schema = createSchema<GuardContext>({
    typeDefs: `
      type Query { user: String, premium: [String!]! }
      type Mutation { transfer: String }
    `,
    resolvers: {
      Query: {
        user: (_parent, _input, context) => requireAuth(context).payload.sub,
        premium(_parent, _input, context) {
          requireAuth(context, PREMIUM);
          return [];
        },
      },
      Mutation: {
        transfer(_parent, _input, context) {
          requireAuth(context, RECENT);
          return 'done';
        },
      },
    },
  });
  return createYoga({ schema, context: guardContext(guard) });
}
