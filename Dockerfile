# The exporter as one executable, in an image that has nothing else. Other images copy it with
#   COPY --from=ghcr.io/OWNER/supervisor-exporter / /
# They must be based on glibc, and not on Alpine. packaging/example-image is a complete image.

FROM node:22-bookworm AS build
# The commit, for --version: docker build --build-arg REVISION=$(git rev-parse --short HEAD) .
ARG REVISION=unknown
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci
COPY . .
RUN npm run build:executable
RUN mkdir -p /out/usr/local/bin /out/usr/local/share/doc/supervisor-exporter \
    && cp LICENSE /out/usr/local/share/doc/supervisor-exporter/ \
    && cd dist \
    && program="supervisor-exporter-linux-$(node -p process.arch)" \
    && cp "$program" /out/usr/local/bin/supervisor-exporter \
    && cp "$program.THIRD-PARTY-NOTICES" "$program.cdx.json" /out/usr/local/share/doc/supervisor-exporter/

FROM scratch
COPY --from=build /out/ /
ENTRYPOINT ["/usr/local/bin/supervisor-exporter"]
