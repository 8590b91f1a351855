# One image for every service: docker-compose.yml says which main it runs. No build step: Node strips the types.
FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY packages packages
COPY services services
RUN npm ci --omit=dev -w services/user-management -w services/prices -w services/orders \
  && npm cache clean --force \
  && mkdir -p /data /keys /secrets /secrets-prices /secrets-orders \
  && chown node:node /data /keys /secrets /secrets-prices /secrets-orders \
  && chmod 0700 /data /keys /secrets /secrets-prices /secrets-orders
# Root owns the code and a process of ours cannot change it.
USER node
STOPSIGNAL SIGTERM
CMD ["node", "--help"]
