# One image for every service: docker-compose.yml says which one a container runs. It runs the JavaScript that `npm run build` makes.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc tsconfig.json LICENSE ./
COPY packages packages
COPY services services
RUN npm ci && npm run build \
  && npm ci --omit=dev -w services/user-management -w services/prices -w services/orders -w services/gate -w services/game -w services/web -w services/console -w packages/cli \
  && rm -rf node_modules/@rescind \
  && for own in packages/*/node_modules services/*/node_modules; do if [ -d "build/${own%/*}" ]; then cp -r "$own" "build/$own"; fi; done

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/build .
RUN mkdir -p /data /keys /secrets /secrets-prices /secrets-orders /secrets-game \
  && chown node:node /data /keys /secrets /secrets-prices /secrets-orders /secrets-game \
  && chmod 0700 /data /keys /secrets /secrets-prices /secrets-orders /secrets-game
# `docker compose exec user-management rescind …`: docs/cli.md.
RUN printf '#!/bin/sh\n: "${RESCIND_MANAGEMENT:=http://localhost:${MANAGEMENT_PORT:-3001}}"\nexport RESCIND_MANAGEMENT\nexec node /app/packages/cli/dist/main.js "$@"\n' >/usr/local/bin/rescind \
  && chmod 0755 /usr/local/bin/rescind
# Root owns the code and a process of ours cannot change it.
USER node
STOPSIGNAL SIGTERM
CMD ["node", "--help"]
