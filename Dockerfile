# Retort's server and its workers on the CPU. `docker compose up` builds it; see docker-compose.yml.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The caches outlive a build, so that the next one compiles only what changed.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package retort \
    && install -D target/release/retort /out/retort

FROM debian:bookworm-slim
# The volume is made as this user's own, so that a named volume is writable to it.
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin retort \
    && install --directory --owner=retort --group=retort --mode=0750 /data
COPY --from=build /out/retort /usr/local/bin/retort
COPY LICENSE-MIT LICENSE-APACHE server/engine/assets/ORIGIN.md /usr/share/doc/retort/

USER 10001
# Inside the container every address is meant; docker-compose.yml decides who reaches it from outside.
ENV RETORT_DATA=/data RETORT_LISTEN=0.0.0.0:7878
VOLUME /data
EXPOSE 7878
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 CMD ["retort", "health"]
ENTRYPOINT ["retort"]
CMD ["serve"]
